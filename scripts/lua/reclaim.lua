-- Takes over deliveries that have been silent for one visibility timeout, one page of each source;
-- buries those lost too often, settles those to cancel, reports those whose entry was removed. A
-- paused group hands nothing out.
-- KEYS 1-10 the group's; the records of found jobs begin with P:job:
-- ARGV 1-3 group, consumer, release; 4 free slots; 5 free child slots, for suspects; 6 losses at
--   which a job is buried; 7 pause between sweeps (ms); 8 page (rows); 9 bound of read bodies
--   (bytes); then source (s or r) and entry of each delivery that the caller holds
-- RETURNS hold-off left (ms), wait until the next sweep (ms), taken over (each source, entry, count,
--   former owner, fields), more pages (1 or 0), buried, vanished, cancelled
-- EMITS reclaimed dead cancelled vanished
-- USES group plan fence record story ids deletion copy batch grave tick
local MOST_LOST, PAGE = tonumber(ARGV[6]), tonumber(ARGV[8])
local SUSPECT_LOST = 2
local now = now_ms()
local slots = {all = tonumber(ARGV[4]), suspects = tonumber(ARGV[5])}
local room = {bytes = tonumber(ARGV[9]), read = 0}
local ended, runs, former = {}, {}, {}
local tally = {buried = 0, vanished = 0, cancelled = 0}
local cancels

local function lost_reply(source, entry)
  for i = 10, #ARGV, 2 do
    if ARGV[i] == source and ARGV[i + 1] == entry then return false end
  end
  return true
end

local function counts_of(item)
  local ours = item.body.ours
  return {
    attempt = ours['@attempt'] or '0',
    deliveries = text(tonumber(ours['@deliveries'] or 0) + item.count),
    lost = text(tonumber(ours['@lost'] or 0) + item.count),
    crashes = ours['@crashes'] or '0',
  }
end

local function will_end_item(item, kind)
  ended[#ended + 1] = item
  tally[kind] = tally[kind] + 1
  return 'ended'
end

local function will_bury_lost(item, counts)
  local failure = 'lost ' .. counts.lost .. ' times: no worker that had it lived to say how it ended'
  local details = string.format(
    '"reason":"lost","attempt":%s,"lost":%s,"error":%s,"from":%s',
    counts.attempt, counts.lost, cjson.encode(failure), cjson.encode(item.owner)
  )
  will_bury(item, 'lost', failure, counts, details, now)
  item.answer = 'OK'
  return will_end_item(item, 'buried')
end

-- Plans the takeover of one: it joins the run of the row before it, or begins one.
local function will_take(item, counts, suspect, previous)
  slots.all = slots.all - 1
  if suspect then slots.suspects = slots.suspects - 1 end
  former[item.key .. item.entry] = item
  local record = item.record
  counts.deliveries = text(tonumber(counts.deliveries) + 1)
  set(record, 'state', 'held')
  set_counts(record, counts)
  local details = string.format(
    '"from":%s,"idle_ms":%.0f,"lost":%s', cjson.encode(item.owner), item.idle, counts.lost
  )
  tell('reclaimed', item.job, details, record, now)
  if previous == 'taken' then
    runs[#runs].length = runs[#runs].length + 1
  else
    runs[#runs + 1] = {source = item.source, key = item.key, first = item.entry, length = 1}
  end
  return 'taken'
end

-- Plans what becomes of one silent delivery. Answers taken, ended, left (no child slot) or full;
-- or nil and an error.
local function will_settle(item, previous)
  local body = read_body(item.key, item.entry)
  item.body, item.job = body, item.entry
  if body and item.source == 'r' then item.job = body.ours['@job'] or item.entry end
  room.read = room.read + (body and body.bytes or 0)
  if body and room.read > body.bytes and room.read > room.bytes then return 'full' end
  local record, wrong = open_record(record_key(item.job))
  if wrong then return nil, wrong end
  item.record = record
  if not body or (body.in_record and record.fields == 0) then
    item.answer, item.vanished = 'GONE', true
    return will_end_item(item, 'vanished')
  end
  if cancels and redis.call('SISMEMBER', CANCELLED, item.job) == 1 then
    item.answer = 'CANCELLED'
    return will_end_item(item, 'cancelled')
  end
  local counts = counts_of(item)
  if tonumber(counts.lost) >= MOST_LOST then return will_bury_lost(item, counts) end
  local suspect = tonumber(counts.lost) >= SUSPECT_LOST or tonumber(counts.crashes) > 0
  if slots.all <= 0 then return 'full' end
  if suspect and slots.suspects <= 0 then return 'left' end
  return will_take(item, counts, suspect, previous)
end

-- Walks one page of what is pending. Answers whether there is more, or nil and an error.
local function will_walk(source, key, visibility)
  local cursor = redis.call('HGET', STATE, 'cursor:' .. source)
  local start = cursor and cursor ~= '' and '(' .. cursor or '-'
  local rows = redis.pcall('XPENDING', key, GROUP, start, '+', PAGE)
  if rows.err then return nil, rows end
  local last, previous, full, failed = cursor or '', nil, false, nil
  for _, row in ipairs(rows) do
    local silent = row[3] >= visibility
    if silent and (row[2] ~= CONSUMER or lost_reply(source, row[1])) then
      local item = {source = source, key = key, entry = row[1]}
      item.owner, item.idle, item.count = row[2], row[3], row[4]
      previous, failed = will_settle(item, previous)
      if failed then return nil, failed end
      full = previous == 'full'
      if full then break end
    else
      previous = nil
    end
    last = row[1]
  end
  local more = full or #rows == PAGE
  will('HSET', STATE, 'cursor:' .. source, more and last or '')
  return more and (not full or slots.all > 0)
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
  return {hold, wait, entries, more, tally.buried, tally.vanished, tally.cancelled}
end

local wrong = wrong_keys()
if wrong then return wrong end
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

cancels = redis.call('SCARD', CANCELLED) > 0
if redis.call('HEXISTS', STATE, 'paused_since') == 1 then slots.all = 0 end
local more_stream, failed = will_walk('s', S, tick.visibility)
if failed then return failed end
local more_ready, missing = will_walk('r', READY, tick.visibility)
if missing then return missing end
local more = more_stream or more_ready
local records, claims = {}, {}
for _, item in pairs(former) do records[#records + 1] = item.record end
for _, record in ipairs(records) do will_record(record) end
will('HSET', STATE, 'next_sweep', text(more and now or now + tonumber(ARGV[7])))
for i, run in ipairs(runs) do
  claims[i] = will(
    'XAUTOCLAIM', run.key, GROUP, CONSUMER, text(tick.visibility), run.first, 'COUNT', run.length
  )
  claims[i].key = run.key
end
will_finish(ended, now)
commit()
return answer(0, 0, taken_over(claims), more and 1 or 0)
