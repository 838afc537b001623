-- Dead to queued, by a person: a fresh budget, no schedule unless it is to be kept, and the fields
-- that the person changed. If the dead letter was removed by hand, its story stays for the time of
-- any finished job.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON); 6 keep schedule (1 or 0);
--   7 entry of the dead letter ('' if not known); then for each changed field: name, kind (= sets,
--   - removes), value
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS requeued
-- USES group plan record story copy seek letter edit
local job = ARGV[4]
local wrong = wrong_keys()
if wrong then return wrong end
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
if record.state and record.state ~= 'dead' then
  return {'REFUSED', 'it is ' .. record.state .. ', not dead'}
end
local grave, body = find_letter(record, job, ARGV[7])
if not body or (body.in_record and record.fields == 0) then
  if not body then will_outlive(record, job, now_ms()) end
  commit()
  return {'MISSING', 'no dead letter of this job was found'}
end
local now = now_ms()
local changes, keep = read_changes(8), ARGV[6] == '1'
local scheduled = keep or sets_schedule(changes)
edit(record, body, keep and changes or unscheduled(changes))
local deliveries = body.ours['@deliveries'] or '0'
will_put_back('requeued', job, deliveries, not scheduled and text(now) or nil, body, record, now)
will('XDEL', DLQ, grave)
commit()
return {'OK', ''}
