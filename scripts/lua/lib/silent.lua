-- What becomes of one delivery that fell silent, for reclaim: taken over, buried, settled as
-- cancelled, or reported as vanished. ARGV 4 to 6 and 9 bound it.
local SUSPECT_LOST = 2
local slots = {all = tonumber(ARGV[4]), suspects = tonumber(ARGV[5])}
local room = {bytes = tonumber(ARGV[9]), read = 0}
local ended, runs, former = {}, {}, {}
local tally = {buried = 0, vanished = 0, cancelled = 0}
local wrong_key = '' -- the first that should be a record and isn't

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

local function will_bury_lost(item, counts, now)
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
local function will_take(item, counts, suspect, previous, now)
  slots.all = slots.all - 1
  if suspect then slots.suspects = slots.suspects - 1 end
  former[item.key .. item.entry] = item
  local record = item.record
  counts.deliveries = text(tonumber(counts.deliveries) + 1)
  set_state(record, 'held', counts)
  if item.source == 'r' then set(record, 'entry', item.entry) end -- one released unstarted had none
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

-- An entry of `ready` that was removed no longer says whose it was, and its id may be another
-- job's: an event of the whole group tells of it, and no record is touched.
local function will_miss(item)
  item.job, item.record, item.answer, item.vanished = '', {exists = false}, 'GONE', true
  item.details = string.format(
    '"entry":%s,"from":%s', cjson.encode(item.entry), cjson.encode(item.owner)
  )
  return will_end_item(item, 'vanished')
end

-- Plans what becomes of one silent delivery. Answers taken, ended, full, or left (no child slot, or
-- no record where one should be).
local function will_settle(item, previous, now)
  local body = read_body(item.key, item.entry)
  if not body and item.source == 'r' then return will_miss(item) end
  item.body, item.job = body, item.entry
  if body and item.source == 'r' then item.job = body.ours['@job'] or item.entry end
  room.read = room.read + (body and body.bytes or 0)
  if body and room.read > body.bytes and room.read > room.bytes then return 'full' end
  local record = open_record(record_key(item.job))
  if not record then
    if wrong_key == '' then wrong_key = record_key(item.job) end
    return 'left'
  end
  item.record = record
  if not body or (body.in_record and record.fields == 0) then
    item.answer, item.vanished = 'GONE', true
    return will_end_item(item, 'vanished')
  end
  if redis.call('SISMEMBER', CANCELLED, item.job) == 1 then
    item.answer = 'CANCELLED'
    return will_end_item(item, 'cancelled')
  end
  local counts = counts_of(item)
  if tonumber(counts.lost) >= tonumber(ARGV[6]) then return will_bury_lost(item, counts, now) end
  local suspect = tonumber(counts.lost) >= SUSPECT_LOST or tonumber(counts.crashes) > 0
  if slots.all <= 0 then return 'full' end
  if suspect and slots.suspects <= 0 then return 'left' end
  return will_take(item, counts, suspect, previous, now)
end
