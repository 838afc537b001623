-- Takes over deliveries that have been silent for one visibility timeout, one page of each source;
-- buries those lost too often, settles those to cancel, reports those whose entry was removed. A
-- paused group hands nothing out.
-- KEYS 1-10 the group's; the records of found jobs begin with P:job:
-- ARGV 1-3 group, consumer, release; 4 free slots; 5 free child slots, for suspects; 6 losses at
--   which a job is buried; 7 pause between sweeps (ms); 8 page (rows); 9 bound of read bodies
--   (bytes); then source (s or r) and entry of each delivery that the caller holds
-- RETURNS hold-off left (ms), wait until the next sweep (ms), taken over (each source, entry, count,
--   former owner, fields), more pages (1 or 0), buried, vanished, cancelled, the
--   first key that should be a record and isn't ('' if none): its delivery stays as it is
-- EMITS reclaimed dead cancelled vanished
-- USES group plan fence record story ids deletion copy batch grave silent tick
local PAGE = tonumber(ARGV[8])
local AT_END = '+'
local starved = false -- something is left that a caller with free slots could take at once

-- Whether the caller doesn't know that it holds this one: the reply that gave it never came.
local function lost_reply(source, entry)
  for i = 10, #ARGV, 2 do
    if ARGV[i] == source and ARGV[i + 1] == entry then return false end
  end
  return true
end

-- Where a pass through a source goes on ('-' at its start) and where it ends: at what was the last
-- pending id at its start, or in a busy group it might never. Or nil and an error.
local function bounds_of_pass(source, key)
  local found = redis.call('HMGET', STATE, 'cursor:' .. source, 'end:' .. source)
  if found[1] == AT_END then return AT_END, AT_END end
  if found[1] and found[1] ~= '' then return '(' .. found[1], found[2] or '+' end
  local summary = redis.pcall('XPENDING', key, GROUP)
  if summary.err then return nil, summary end
  local last = summary[3]
  if not last then return AT_END, AT_END end
  will('HSET', STATE, 'end:' .. source, last)
  return '-', last
end

-- Walks one page of what is pending. Answers the next cursor, or nil and an error; and whether
-- there is more for this caller. A source at its end waits there for the other one: if each began
-- again by itself, there might always be more in one of them.
local function will_walk(source, key, visibility, now)
  local start, finish = bounds_of_pass(source, key)
  if not start then return nil, finish end
  if start == AT_END then return AT_END, false end
  local rows = redis.pcall('XPENDING', key, GROUP, start, finish, PAGE)
  if rows.err then return nil, rows end
  local last, previous, full = string.match(start, '^%((.*)') or '', nil, false
  for _, row in ipairs(rows) do
    local silent = row[3] >= visibility
    if silent and (row[2] ~= CONSUMER or lost_reply(source, row[1])) then
      local item = {source = source, key = key, entry = row[1]}
      item.owner, item.idle, item.count = row[2], row[3], row[4]
      previous = will_settle(item, previous, now)
      full = previous == 'full'
      if full then break end
    else
      previous = nil
    end
    last = row[1]
  end
  local more = full or (#rows == PAGE and last ~= finish)
  starved = starved or full
  return more and last or AT_END, more and (not full or slots.all > 0)
end

-- What was really taken over, as the claims answered.
local function taken_over(claims)
  local entries = {}
  for _, claim in ipairs(claims) do
    for _, found in ipairs(claim.reply[2]) do
      local item = found and found[2] and former[claim.key .. found[1]]
      if item then
        entries[#entries + 1] = {item.source, found[1], item.count + 1, item.owner, found[2]}
      end
    end
  end
  return entries
end

local function answer(hold, wait, entries, more)
  return {hold, wait, entries, more, tally.buried, tally.vanished, tally.cancelled, wrong_key}
end

local wrong = wrong_keys()
if wrong then return wrong end
local now = now_ms()
local tick = read_tick(now)
will_tick(tick)
if now < tick.hold then
  commit()
  return answer(tick.hold - now, 0, {}, 0)
end
local next_sweep = tonumber(redis.call('HGET', STATE, 'next_sweep') or 0)
local wait = next_sweep - now
if wait > 0 and wait <= math.max(tonumber(ARGV[7]), tick.visibility) then
  commit()
  return answer(0, wait, {}, 0)
end

if redis.call('HEXISTS', STATE, 'paused_since') == 1 then slots.all = 0 end
local on_stream, more_stream = will_walk('s', S, tick.visibility, now)
if not on_stream then return more_stream end
local on_ready, more_ready = will_walk('r', READY, tick.visibility, now)
if not on_ready then return more_ready end
local more = more_stream or more_ready
if on_stream == AT_END and on_ready == AT_END then on_stream, on_ready = '', '' end
will('HSET', STATE, 'cursor:s', on_stream, 'cursor:r', on_ready)
local records, claims = {}, {}
for _, item in pairs(former) do records[#records + 1] = item.record end
for _, record in ipairs(records) do will_record(record) end
will('HSET', STATE, 'next_sweep', text((more or starved) and now or now + tonumber(ARGV[7])))
for i, run in ipairs(runs) do
  claims[i] = will(
    'XAUTOCLAIM', run.key, GROUP, CONSUMER, text(tick.visibility), run.first, 'COUNT', run.length
  )
  claims[i].key = run.key
end
will_finish(ended, now)
commit()
return answer(0, 0, taken_over(claims), more and 1 or 0)
