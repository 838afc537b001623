-- Held to done, for many jobs that succeeded.
-- KEYS 1-10 the group's; 11.. the records of the second kind of items, in their order; records that
--   the loss of the group left behind begin with P:job:
-- ARGV 1-3 group, consumer, release; 4 page of the fence look-up (rows); 5-8 first and last of the
--   ids on S and on ready, or their milliseconds; 9 n, then n entry ids of first deliveries and n
--   texts '"id":[attempt,wait_ms,run_ms]'; then for each other delivery: source (s or r), entry,
--   count, job, such a text, details (inside of JSON), attempt
-- RETURNS what isn't OK: place among the items (1-based), STALE, GONE or WRONG (its record is a key
--   of another type, and the job stays held), place, word...
-- EMITS completed
-- USES group plan fence record story ids deletion seek alive

-- Plans the end of a record that a first delivery shouldn't have: its group was lost and made again.
-- Not if the job waits elsewhere, too.
local function will_end_stale(job, fragment, now)
  local record = open_record(record_key(job))
  if not record or not record.state or has_ended(record.state) then return end
  if is_as_recorded(record, job) then return end
  local attempt, wait, run = string.match(fragment, '%[(%d+),(%d+),(%d+)%]$')
  local details = '"attempt":%s,"wait_ms":%s,"run_ms":%s'
  remember(record, 'completed', string.format(details, attempt, wait, run), now)
  will_end(record, job, 'done', now)
end

local wrong = wrong_keys()
if wrong then return wrong end
local on_stream, failed = held_counts(S, ARGV[5], ARGV[6])
if failed then return failed end
local on_ready, missing = held_counts(READY, ARGV[7], ARGV[8])
if missing then return missing end

local now, n = now_ms(), tonumber(ARGV[9])
local exceptions, stream_ids, ready_ids, jobs = {}, {}, {}, {}
local completed = fragments('completed')
local doubtful = redis.call('HGET', STATE, 'doubtful')
for i = 1, n do
  local id = ARGV[9 + i]
  local answer = on_stream[id] == 1 and 'OK' or verdict(S, on_stream, id, 1)
  if answer == 'OK' then
    local place = #stream_ids + 1
    stream_ids[place], jobs[place], completed[place] = id, id, ARGV[9 + n + i]
    if doubtful and not after(id, doubtful) then will_end_stale(id, ARGV[9 + n + i], now) end
  else
    exceptions[#exceptions + 1] = i
    exceptions[#exceptions + 1] = answer
  end
end

local place = n
for i = 10 + 2 * n, #ARGV, 7 do
  place = place + 1
  local ready, entry, job = ARGV[i] == 'r', ARGV[i + 1], ARGV[i + 3]
  local key, counts = ready and READY or S, ready and on_ready or on_stream
  local answer = verdict(key, counts, entry, tonumber(ARGV[i + 2]))
  local record = open_record(KEYS[10 + place - n])
  if answer == 'OK' and not record then answer = 'WRONG' end
  if answer == 'OK' then
    local ids = ready and ready_ids or stream_ids
    ids[#ids + 1], jobs[#jobs + 1] = entry, job
    if record.exists then
      set(record, 'attempt', ARGV[i + 6])
      remember(record, 'completed', ARGV[i + 5], now)
      will_end(record, job, 'done', now)
    end
    completed[#completed + 1] = ARGV[i + 4]
  else
    exceptions[#exceptions + 1] = place
    exceptions[#exceptions + 1] = answer
  end
end

if #jobs == 0 then return exceptions end
will_publish(now)
-- A cancel that came too late has no more to do.
if redis.call('SCARD', CANCELLED) > 0 then will_each({'SREM', CANCELLED}, jobs) end
will_ack(stream_ids, ready_ids, ARGV[5], ARGV[6])
commit()
return exceptions
