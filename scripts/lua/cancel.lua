-- Ends a delayed job at once; one that is queued or held ends at its next transition.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS cancelled cancel_requested vanished
-- USES group plan record story ids seek alive
local job, details = ARGV[4], ARGV[5]
local OVER = {dead = 1, done = 1, cancelled = 1, vanished = 1, purged = 1}

-- Why there is nothing to cancel: a ruling and its reason; or nil. One deep in a long `ready` isn't
-- found and counts as waiting.
local function nothing_to_cancel(record)
  local here, failed = on_stream(job)
  if here then return nil end
  if record.state and OVER[record.state] then return {'REFUSED', 'it is ' .. record.state} end
  if failed then return failed end
  local found, all
  if record.state then
    found, all = is_as_recorded(record, job), true
  else
    found, all = seek(READY, job)
  end
  if found or not all then return nil end
  return {'MISSING', 'no such job waits or runs in this group; it may have ended'}
end

-- Plans the end of a job that waits for its time.
local function will_cancel_delayed(record, now)
  tell('cancelled', job, details, record.exists and record, now)
  if record.exists then will_end(record, job, 'cancelled', now) end
  will_publish(now)
  will('ZREM', DELAYED, padded(job))
  will('SREM', CANCELLED, job)
end

local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
local now = now_ms()
if redis.call('ZSCORE', DELAYED, padded(job)) then
  will_cancel_delayed(record, now)
  commit()
  return {'OK', 'it was delayed and has ended'}
end
local answer = nothing_to_cancel(record)
if answer then
  if answer[1] == 'MISSING' and record.state then -- a record that outlived its job
    tell('vanished', job, '"how":"only its record was left"', record, now)
    will_end(record, job, 'vanished', now)
    will_publish(now)
    commit()
  end
  return answer
end
if redis.call('SISMEMBER', CANCELLED, job) == 1 then return {'OK', 'its cancel is on its way'} end
tell('cancel_requested', job, details, record.exists and record, now)
if record.exists then will_record(record) end
will_publish(now)
will('SADD', CANCELLED, job)
commit()
return {'OK', 'it ends before its next step'}
