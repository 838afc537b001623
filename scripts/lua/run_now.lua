-- Delayed to queued at once, by a person.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS promoted
-- USES group plan record story copy promotion
local job = ARGV[4]
local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_delayed(KEYS[11])
if wrong_record then return wrong_record end
local member = padded(job)
local waits = redis.call('ZSCORE', DELAYED, member)
if not waits or has_moved(record) then
  will('ZREM', DELAYED, member)
  commit()
  if record.state then return {'REFUSED', 'it is ' .. record.state .. ', not delayed'} end
  return {'MISSING', 'no such job is delayed in this group'}
end
local body = kept_body(record)
if not body then return {'MISSING', 'its record was removed, so nothing is left to run'} end
local now = now_ms()
local details = with(ARGV[5], '"due":' .. text(tonumber(waits)))
will_keep_count(record) -- before the copy, so that a user without HSET makes none
will_promote(job, text(now), details, record, body, now)
will_publish(now)
will('ZREM', DELAYED, member)
commit()
return {'OK', ''}
