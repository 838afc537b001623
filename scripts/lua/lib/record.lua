-- The record of a job: opened (and checked) before the first write, written with its story.
local KEPT_FIRST, KEPT_LAST = 20, 80

local function open_record(key)
  local wrong = wrong_type(key, 'hash')
  if wrong then return nil, wrong end
  local found = redis.call('HMGET', key, 'e_count', 'fields', 'state', 'entry')
  return {
    key = key,
    exists = found[1] or found[3],
    events = tonumber(found[1] or 0),
    fields = tonumber(found[2] or 0),
    state = found[3],
    entry = found[4],
    body = {},
    sets = {},
    drops = {},
  }
end

local function set(record, ...)
  for _, value in ipairs({...}) do record.sets[#record.sets + 1] = value end
end

local function add_event(record, json)
  record.events = record.events + 1
  set(record, 'e_count', record.events, 'e:' .. record.events, json)
  local dropped = record.events - KEPT_LAST
  if dropped > KEPT_FIRST then record.drops[#record.drops + 1] = 'e:' .. dropped end
end

-- Plans that the record loses the job's own fields, `f:<name>`, if it has them.
local function drop_body(record)
  if record.fields == 0 then return end
  for _, name in ipairs(redis.call('HKEYS', record.key)) do
    if string.sub(name, 1, 2) == 'f:' then record.drops[#record.drops + 1] = name end
  end
  record.drops[#record.drops + 1] = 'fields'
end

local function will_keep_body(record)
  will_each({'HSET', record.key}, record.body)
end

local function will_set(record)
  will_each({'HSET', record.key}, record.sets)
  will_each({'HDEL', record.key}, record.drops)
end

-- Plans a first write to a record that changes nothing of it.
local function will_keep_count(record)
  will('HSET', record.key, 'e_count', record.events)
end

local function will_record(record)
  will_keep_body(record)
  will_set(record)
end

-- Plans that a dead job's record goes in time, as its dead letter was removed by hand.
local function will_outlive(record, job, now)
  if record.state == 'dead' then will('ZADD', FINISHED, 'NX', text(now), job) end
end

-- Plans the end of a job: what is left is its story, until the sweep removes that too.
local function will_end(record, job, state, now)
  set(record, 'state', state, 'ended', text(now))
  drop_body(record)
  will_record(record)
  will('ZADD', FINISHED, text(now), job)
end
