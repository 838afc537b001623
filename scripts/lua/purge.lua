-- Removes a dead letter for good; its story stays for the time of any finished job, also if someone
-- else removed the letter. A letter that its job left behind, as it isn't dead any more, goes too.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON); 6 entry of the dead letter
--   ('' if not known)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS purged
-- USES group plan record story copy seek letter
local job, hint = ARGV[4], ARGV[6]
local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
local dead = not record.state or record.state == 'dead'
local its_own = dead or record.state == 'purged' -- then an earlier call failed before its last write
local refusal = {'REFUSED', 'it is ' .. (record.state or '') .. ', not dead'}
if not its_own and hint == '' then return refusal end
local grave = find_letter(record, job, hint)
if not grave then
  will_outlive(record, job, now_ms())
  commit()
  return dead and {'MISSING', 'no dead letter of this job was found'} or refusal
end
local now = now_ms()
tell('purged', job, ARGV[5], record, now)
if not its_own then
  will_record(record)
elseif record.exists then
  will_end(record, job, 'purged', now)
end
will_publish(now)
will('XDEL', DLQ, grave)
commit()
return {'OK', its_own and '' or 'the job is ' .. record.state .. ', this letter was left behind'}
