-- Ends a delayed job at once; one that is queued or held ends at its next transition.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON); 6 only if it is delayed (1
--   or 0)
-- RETURNS OK (it has ended), REQUESTED (it ends at its next step), UNSURE (so it does if it is deep
--   in a long `ready`; it may not exist), MISSING or REFUSED; why
-- EMITS cancelled cancel_requested vanished
-- USES group plan record story ids seek alive
local job, details, only_delayed = ARGV[4], ARGV[5], ARGV[6] == '1'
local WHY = {
  REQUESTED = 'it ends before its next step',
  UNSURE = 'it was not found, but many jobs wait: if it is one of them, it ends before its next step',
}

local function in_ready(entry)
  local rows = entry and redis.pcall('XPENDING', READY, GROUP, entry, entry, 1)
  return rows and not rows.err and rows[1] and 'held' or 'queued'
end

-- Whether the stream has had such an id, as far as it knows.
local function was_given()
  if redis.call('TYPE', S).ok == 'none' then return true end
  local last = fact(redis.call('XINFO', 'STREAM', S), 'last-generated-id')
  return last == '0-0' or not after(job, last)
end

-- Where a job waits or runs that isn't delayed: held, queued, or unsure; or nil and what to answer.
local function whereabouts(record)
  local here, failed = on_stream(job)
  if here then return here end
  if record.state == 'dead' or has_ended(record.state) then
    return nil, {'REFUSED', 'it is ' .. record.state}
  end
  if failed then return nil, failed end
  if record.state then
    if is_as_recorded(record, job) then return in_ready(record.entry) end
  elseif was_given() then
    local found, all = seek(READY, job)
    if found then return in_ready(found) end
    if not all then return 'unsure' end
  end
  return nil, {'MISSING', 'no such job waits or runs in this group; it may have ended'}
end

-- Plans the end of a job that waits for its time.
local function will_cancel_delayed(record, now)
  tell('cancelled', job, details, record, now)
  if record.exists then will_end(record, job, 'cancelled', now) end
  will_publish(now)
  will('ZREM', DELAYED, padded(job))
  will('SREM', CANCELLED, job)
  return {'OK', 'it was delayed and has ended'}
end

-- Plans nothing but the end of a record that outlived its job. Answers why there is no more to do.
local function will_cancel_nothing(record, answer, now)
  if answer[1] == 'MISSING' and record.state then
    tell('vanished', job, '"how":"only its record was left"', record, now)
    will_end(record, job, 'vanished', now)
    will_publish(now)
  end
  return answer
end

-- Plans that it ends at its next step. A job without a record that waits now stands in `ready` up
-- to `cancels_to`: once all of that has gone, so has the job.
local function will_ask(record, word, now)
  if redis.call('SISMEMBER', CANCELLED, job) == 1 then
    will('SADD', CANCELLED, job) -- so that a replica refuses instead of promising it
    return {word, WHY[word]}
  end
  tell('cancel_requested', job, details, record, now)
  if record.exists then will_record(record) end
  will_publish(now)
  local newest = redis.call('XREVRANGE', READY, '+', '-', 'COUNT', 1)[1]
  if newest then will('HSET', STATE, 'cancels_to', newest[1]) end
  will('SADD', CANCELLED, job)
  return {word, WHY[word]}
end

local function will_cancel(record, now)
  local waits = redis.call('ZSCORE', DELAYED, padded(job))
  if waits and (not record.state or record.state == 'delayed') then
    return will_cancel_delayed(record, now)
  end
  if waits then will('ZREM', DELAYED, padded(job)) end -- an earlier call failed before this
  local here, answer = whereabouts(record)
  if only_delayed then
    local state = here ~= 'unsure' and here or answer and answer[1] == 'REFUSED' and record.state
    if state then return {'REFUSED', 'it is ' .. state .. ', not delayed'} end
    answer = answer and answer.err and answer or {'MISSING', 'no such job is delayed in this group'}
  end
  if answer then return will_cancel_nothing(record, answer, now) end
  return will_ask(record, here == 'unsure' and 'UNSURE' or 'REQUESTED', now)
end

local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
local answer = will_cancel(record, now_ms())
commit()
return answer
