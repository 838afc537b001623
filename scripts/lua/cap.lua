-- Removes the oldest dead letters beyond the caps that someone set; their jobs end as purged ones
-- do. Bounded.
-- KEYS 1-10 the group's; the records of found jobs begin with P:job:
-- ARGV 1-3 group, consumer, release
-- RETURNS letters removed, more to remove (1 or 0)
-- EMITS capped
-- USES group plan record story
local MOST, MOST_BYTES, PAGE, BYTES_A_FIELD = 100, 1048576, 10, 64

-- How many of the oldest are too many, and which cap says so.
local function surplus()
  local count, most, bytes = redis.call('XLEN', DLQ), cap('dlq_max'), cap('dlq_bytes')
  local over, why = most and count - most or 0, 'dlq_max'
  if bytes and count > 0 then
    local used = redis.call('MEMORY', 'USAGE', DLQ)
    local heavy = used > bytes and math.ceil(count * (1 - bytes / used)) or 0
    if heavy > over then over, why = heavy, 'dlq_bytes' end
  end
  return over, why
end

-- Plans the end of one; a job that is alive again, or has a newer letter, keeps its record. Answers
-- how many fields its record has to lose.
local function will_cap(entry, job, why, now)
  local record = job and open_record(record_key(job))
  local its_letter = record and record.state == 'dead' and record.entry == entry
  tell('capped', job or '', '"cap":"' .. why .. '"', its_letter and record, now)
  if its_letter then will_end(record, job, 'purged', now) end
  return its_letter and record.fields or 0
end

-- Plans the end of some of the oldest. Answers their ids, and whether there are more.
local function will_cap_oldest(now)
  local over, why = surplus()
  local kept_ms = cap('dlq_age_ms')
  local before = kept_ms and now - kept_ms or 0
  local ids, bytes, start = {}, 0, '-'
  while #ids < MOST and bytes < MOST_BYTES do
    local page = redis.call('XRANGE', DLQ, start, '+', 'COUNT', PAGE)
    for _, found in ipairs(page) do
      local old = tonumber(string.match(found[1], '^%d+')) < before
      if #ids >= over and not old then return ids, false end
      local fields = will_cap(
        found[1], fact(found[2], '@job'), #ids < over and why or 'dlq_age_ms', now
      )
      ids[#ids + 1] = found[1]
      bytes = bytes + fields * BYTES_A_FIELD
      for _, value in ipairs(found[2]) do bytes = bytes + #value end
    end
    if #page < PAGE then return ids, false end
    start = '(' .. ids[#ids]
  end
  return ids, true
end

local wrong = wrong_keys()
if wrong then return wrong end
local now = now_ms()
local ids, more = {}, false
if cap('dlq_max') or cap('dlq_bytes') or cap('dlq_age_ms') then ids, more = will_cap_oldest(now) end
will_publish(now)
will_each({'XDEL', DLQ}, ids)
if #ids > 0 then commit() end
return {#ids, more and 1 or 0}
