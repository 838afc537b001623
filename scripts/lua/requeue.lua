-- Dead to queued, by a person: a fresh budget, and no schedule unless it is to be kept. If the dead
-- letter was removed by hand, its story stays for the time of any finished job.
-- KEYS 1-10 the group's; 11 the job's record
-- ARGV 1-3 group, consumer, release; 4 job; 5 details (inside of JSON); 6 keep schedule (1 or 0)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS requeued
-- USES group plan record story copy seek
local job = ARGV[4]
local SCHEDULE = {delay = 1, run_at = 1, expires = 1}

local function without_schedule(fields)
  local kept = {}
  for i = 1, #fields, 2 do
    if not SCHEDULE[fields[i]] then
      kept[#kept + 1], kept[#kept + 2] = fields[i], fields[i + 1]
    end
  end
  return kept
end

local wrong = wrong_keys()
if wrong then return wrong end
-- Where the producers' own field names the type, `delay` and such are theirs, too.
local keep = ARGV[6] == '1' or redis.call('HEXISTS', STATE, 'type_field') == 1
local record, wrong_record = open_record(KEYS[11])
if wrong_record then return wrong_record end
if record.state and record.state ~= 'dead' then
  return {'REFUSED', 'it is ' .. record.state .. ', not dead'}
end
local grave = record.entry or seek(DLQ, job)
local body = grave and read_body(DLQ, grave)
if not body or (body.in_record and record.fields == 0) then
  if not body then will_outlive(record, job, now_ms()) end
  commit()
  return {'MISSING', 'no dead letter of this job was found'}
end
local now = now_ms()
local counts = {attempt = 0, deliveries = body.ours['@deliveries'] or '0', lost = 0, crashes = 0}
if not keep then
  body.fields = without_schedule(body.fields)
  if body.in_record then
    for name in pairs(SCHEDULE) do record.drops[#record.drops + 1] = 'f:' .. name end
  end
end
set(record, 'state', 'queued', 'begun', '', 'reason', '', 'error', '')
set_counts(record, counts)
tell('requeued', job, ARGV[5], record, now)
will_copy(READY, ready_fields(job, counts, ARGV[6] ~= '1' and text(now) or nil, false), body, record)
will_publish(now)
will('ZREM', FINISHED, job)
will('SREM', CANCELLED, job)
will('XDEL', DLQ, grave)
commit()
return {'OK', ''}
