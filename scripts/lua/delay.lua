-- Held to delayed, or to queued where the due time has come.
-- KEYS 1-10 the group's; 11.. the records of the items, in their order
-- ARGV 1-3 group, consumer, release; 4 page (rows); 5-8 first and last of the ids on S and on
--   ready; 9 bound of copied bodies (bytes); then for each: source (s or r), entry, count, job,
--   event, reason, due (ms or ''), after (ms from now or ''), attempt, deliveries, lost, crashes,
--   begun (1 or ''), error, unhandled since (ms or ''), details (inside of JSON)
-- RETURNS now (ms); for each OK, STALE, GONE, WRONG, CANCELLED or LATER; for each the due time (ms) or 0
-- EMITS failed delayed crashed snoozed unhandled cancelled vanished
-- USES group plan fence record story ids deletion copy batch
local EVENTS_HERE = {failed = 1, delayed = 1, crashed = 1, snoozed = 1, unhandled = 1}
local waiting = {} -- due times and places in `delayed`

local function will_delay(item, now)
  local at, record, body = item.at, item.record, item.body
  local event, reason, begun = ARGV[at], ARGV[at + 1], ARGV[at + 8] == '1'
  local counts = read_counts(at + 4)
  item.due = tonumber(ARGV[at + 2]) or now + tonumber(ARGV[at + 3])
  local due, queued = text(item.due), item.due <= now
  set_state(record, queued and 'queued' or 'delayed', counts)
  set(record, 'due', due)
  set(record, 'reason', reason)
  set_any(record, 'begun', ARGV[at + 8])
  set_any(record, 'error', ARGV[at + 9])
  set_any(record, 'unhandled_since', ARGV[at + 10])
  tell(event, item.job, with(ARGV[at + 11], '"due":' .. due), record, now)
  if queued then
    will_copy(ready_entry(item.job, counts, due, begun), body, record)
  else
    keep_body(record, body)
    will_record(record)
    waiting[#waiting + 1], waiting[#waiting + 2] = due, padded(item.job)
  end
end

local wrong = wrong_keys()
if wrong then return wrong end
local items, failed = read_batch(10, 16)
if failed then return failed end
local now = now_ms()
read_bodies(items, tonumber(ARGV[9]))
local dues = {}
for i, item in ipairs(items) do
  if not EVENTS_HERE[ARGV[item.at]] then return {err = 'ERR no such event: ' .. ARGV[item.at]} end
  if item.answer == 'OK' then will_delay(item, now) end
  dues[i] = item.due or 0
end
will_each({'ZADD', DELAYED}, waiting)
will_finish(items, now)
commit()
return {now, answers(items), dues}
