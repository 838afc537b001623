-- Takes a consumer off the group when nothing is pending for it, and off the list of workers.
-- KEYS 1-10 the group's; 11 the worker's hash
-- ARGV 1-3 group, consumer, release; 4 only if its heartbeat has expired (1 or 0)
-- RETURNS OK, MISSING or REFUSED; why
-- EMITS
-- USES group plan
local function pending(key)
  local rows = redis.pcall('XPENDING', key, GROUP, '-', '+', 1, CONSUMER)
  if rows.err then return nil, rows end
  return #rows > 0
end

local wrong = wrong_keys() or wrong_type(KEYS[11], 'hash')
if wrong then return wrong end
if ARGV[4] == '1' and redis.call('EXISTS', KEYS[11]) == 1 then
  return {'REFUSED', 'it is alive'}
end
local on_stream, failed = pending(S)
if failed then return failed end
local on_ready, missing = pending(READY)
if missing then return missing end
if on_stream or on_ready then return {'REFUSED', 'it still holds jobs'} end
local listed = redis.call('ZSCORE', WORKERS, CONSUMER)
will('XGROUP', 'DELCONSUMER', S, GROUP, CONSUMER)
will('XGROUP', 'DELCONSUMER', READY, GROUP, CONSUMER)
will('DEL', KEYS[11])
will('ZREM', WORKERS, CONSUMER)
commit()
return {listed and 'OK' or 'MISSING', ''}
