-- Removes a dead letter for good; its story stays for the time of any finished job, also if someone
-- else removed the letter.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS purged
-- USES group plan record story seek
local job = ARGV[4]
local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
if record.state and record.state ~= 'dead' then
  return {'REFUSED', 'it is ' .. record.state .. ', not dead'}
end
local grave = record.entry or seek(DLQ, job)
if not grave or #redis.call('XRANGE', DLQ, grave, grave) == 0 then
  will_outlive(record, job, now_ms())
  commit()
  return {'MISSING', 'no dead letter of this job was found'}
end
local now = now_ms()
tell('purged', job, ARGV[5], record.exists and record, now)
if record.exists then will_end(record, job, 'purged', now) end
will_publish(now)
will('XDEL', DLQ, grave)
commit()
return {'OK', ''}
