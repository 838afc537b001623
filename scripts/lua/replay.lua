-- A retained entry that this group has settled, run once more: by a person, with a fresh budget and
-- without its schedule.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS replayed
-- USES group plan record story ids copy seek alive edit
local job = ARGV[4]

-- Why it can't be replayed, or nil; or nil and an error.
local function why_not(record, retained_at)
  local here, failed = on_stream(job)
  if failed then return nil, failed end
  if here == 'queued' then return 'it is queued: this group has yet to be given it' end
  if here then return 'it is held' end
  if is_as_recorded(record, job) then return 'it is ' .. record.state end
  if redis.call('ZSCORE', DELAYED, padded(job)) then return 'it is delayed' end
  -- What was released since the stream retains has a record.
  local found, all = seek(READY, job, retained_at)
  if found then return 'it is queued' end
  if not all then return 'many jobs wait that may be it; try again when they have run' end
end

local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
local retained = redis.call('HMGET', SETTINGS, 'retain', 'retain_at')
if not retained[1] then return {'REFUSED', 'the stream retains no entries'} end
local reason, failed = why_not(record, retained[2] or '+')
if failed then return failed end
if reason then return {'REFUSED', reason} end
local body = read_body(S, job)
if not body then return {'MISSING', 'its entry is no longer in the stream'} end
local now = now_ms()
edit(record, body, unscheduled({}))
-- The record may lag behind by one delivery, and what succeeded at once has none.
local deliveries = text(tonumber(redis.call('HGET', record.key, 'deliveries') or 0) + 1)
will_put_back('replayed', job, deliveries, text(now), body, record, now)
commit()
return {'OK', ''}
