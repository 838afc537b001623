-- Ends a delayed job at once; one that is queued or held ends at its next transition.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS cancelled cancel_requested
-- USES group plan record story ids seek
local job, details = ARGV[4], ARGV[5]
local OVER = {dead = 1, done = 1, cancelled = 1, vanished = 1, purged = 1}

-- Whether a job without a record is still to be worked by this group, or may be: one deep in a long
-- `ready` isn't found. Or nil and an error.
local function alive()
  if redis.call('TYPE', S).ok ~= 'none' then
    local rows = redis.pcall('XPENDING', S, GROUP, job, job, 1)
    if rows.err then return nil, rows end
    if rows[1] then return true end
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', S)) do
      local unread = fact(group, 'name') == GROUP and after(job, fact(group, 'last-delivered-id'))
      if unread then return #redis.call('XRANGE', S, job, job) > 0 end
    end
  end
  local found, all = seek(READY, job)
  return found ~= nil or not all
end

local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
local now, member = now_ms(), padded(job)
if redis.call('ZSCORE', DELAYED, member) then
  tell('cancelled', job, details, record.exists and record, now)
  if record.exists then will_end(record, job, 'cancelled', now) end
  will_publish(now)
  will('ZREM', DELAYED, member)
  will('SREM', CANCELLED, job)
  commit()
  return {'OK', 'it was delayed and has ended'}
end
if record.state and OVER[record.state] then return {'REFUSED', 'it is ' .. record.state} end
if not record.state then
  local found, failed = alive()
  if failed then return failed end
  if not found then
    return {'MISSING', 'no such job waits or runs in this group; it may have ended'}
  end
end
if redis.call('SISMEMBER', CANCELLED, job) == 1 then return {'OK', 'its cancel is on its way'} end
tell('cancel_requested', job, details, record.exists and record, now)
if record.exists then will_record(record) end
will_publish(now)
will('SADD', CANCELLED, job)
commit()
return {'OK', 'it ends before its next step'}
