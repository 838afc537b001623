-- The story: one entry of `events` for each event of a call, and one more event in each record.
-- Details are the inside of a JSON object.
local told, order, headings = {}, {}, {}

local function fragments(event)
  if not told[event] then
    told[event] = {}
    order[#order + 1] = event
  end
  return told[event]
end

local function with(details, more)
  if details == '' then return more end
  return details .. ',' .. more
end

-- How an event begins in every record that this call tells of it.
local function heading(event, now)
  if not headings[event] then
    headings[event] = string.format(
      '{"event":%s,"at":%.0f,"worker":%s,"release":%s',
      cjson.encode(event), now, cjson.encode(CONSUMER), cjson.encode(RELEASE)
    )
  end
  return headings[event]
end

-- Adds an event to a record's own story.
local function remember(record, event, details, now)
  local begun = heading(event, now)
  add_event(record, details == '' and begun .. '}' or begun .. ',' .. details .. '}')
end

-- Tells of one job, in its record too if there is one or will be.
local function tell(event, job, details, record, now)
  local list = fragments(event)
  list[#list + 1] = cjson.encode(job) .. ':{' .. details .. '}'
  if record and (record.exists or is_set(record)) then
    remember(record, event, details, now)
  end
end

-- Plans what was told, and counts it. A broken counter is no reason to keep a job.
local function will_publish(now)
  will_date_ends()
  for _, event in ipairs(order) do
    local list = told[event]
    will(
      'XADD', EVENTS, 'MAXLEN', '~', text(most_events()), '*', 'event', event, 'at', text(now),
      'worker', CONSUMER, 'release', RELEASE, 'jobs', '{' .. table.concat(list, ',') .. '}'
    )
    will('HINCRBY', STATE, 'n:' .. event, #list).optional = true
  end
  told, order = {}, {}
end
