-- A batch of deliveries to settle. In ARGV each is source, entry, count, job and the script's own
-- arguments; its record is KEYS[10 + its place].
local SMALL, MOST_AHEAD = 1024, 8

-- The items with their verdicts, records opened; or an error to return. One whose record is a key
-- of another type stays as it is (WRONG), for someone to mend.
local function read_batch(first, width)
  local items, counts = {}, {}
  for source, key in pairs({s = S, r = READY}) do
    local at = source == 's' and 5 or 7
    local found, failed = held_counts(key, ARGV[at], ARGV[at + 1])
    if failed then return nil, failed end
    counts[source] = found
  end
  for i = first, #ARGV, width do
    local source, entry, place = ARGV[i], ARGV[i + 1], #items + 1
    local key = source == 's' and S or READY
    local record = open_record(KEYS[10 + place])
    local answer = verdict(key, counts[source], entry, tonumber(ARGV[i + 2]))
    if answer == 'OK' and not record then answer = 'WRONG' end
    items[place] = {
      source = source, key = key, entry = entry, job = ARGV[i + 3], at = i + 4, record = record,
      answer = answer, body = nil,
    }
  end
  return items
end

-- Finds those to cancel or vanished, and reads the bodies of the others up to a bound in bytes.
-- Small ones are read together, as a batch's entries mostly stand side by side.
local function read_bodies(items, max_bytes)
  local cancels, bytes, moved, full = redis.call('SCARD', CANCELLED) > 0, 0, 0, false
  local ahead = 1
  for i, item in ipairs(items) do
    if item.answer == 'OK' then
      if full then
        item.answer = 'LATER'
      elseif cancels and redis.call('SISMEMBER', CANCELLED, item.job) == 1 then
        item.answer = 'CANCELLED'
      else
        local body = read_body(item.key, item.entry, ahead)
        if not body or (body.in_record and item.record.fields == 0) then
          item.answer, item.vanished = 'GONE', true
        elseif moved > 0 and bytes + body.bytes > max_bytes then
          item.answer, full = 'LATER', true
        else
          item.body, bytes, moved = body, bytes + body.bytes, moved + 1
          ahead = body.bytes <= SMALL and math.min(MOST_AHEAD, #items - i) or 1
        end
      end
    end
  end
end

-- Plans the end of one that nobody will run again.
local function will_close(item, event, details, now)
  local record = item.record.exists and item.record
  tell(event, item.job, details, record, now)
  if record then will_end(record, item.job, event, now) end
end

-- Plans what every batch ends with: cancelled and vanished jobs, the story, the acknowledgements.
local function will_finish(items, now)
  local stream_ids, ready_ids, cancelled = {}, {}, {}
  for _, item in ipairs(items) do
    if item.answer == 'CANCELLED' then
      will_close(item, 'cancelled', item.details or '', now)
      cancelled[#cancelled + 1] = item.job
    elseif item.vanished then
      will_close(item, 'vanished', item.details or '', now)
    end
    if item.answer == 'OK' or item.answer == 'CANCELLED' or item.vanished then
      local ids = item.source == 's' and stream_ids or ready_ids
      ids[#ids + 1] = item.entry
    end
  end
  will_publish(now)
  will_each({'SREM', CANCELLED}, cancelled)
  will_ack(stream_ids, ready_ids, stream_ids[1], stream_ids[#stream_ids])
end

local function answers(items)
  local words = {}
  for i, item in ipairs(items) do words[i] = item.answer end
  return words
end

-- Counts from four arguments in a row.
local function read_counts(at)
  return {
    attempt = ARGV[at], deliveries = ARGV[at + 1], lost = ARGV[at + 2], crashes = ARGV[at + 3],
  }
end
