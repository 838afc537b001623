-- Makes the group in `S` and in its ready stream where it is missing, and tells its facts.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; 4 protocol version; 5 visibility timeout (ms, '' for what the
--   group has, else 30 s); 6 where a new group starts (0, $ or an id); 7 the field that
--   names the type, or none ('' if it is `type`): another one ends the meaning of `delay` and such;
--   8 least visibility timeout (ms); 9 the stream is to retain settled entries (1 or 0), 10 for at
--   least so long (ms or ''), 11 at least so many ('' or number); neither: all
-- RETURNS created, restored or '' (was there); protocol; all of `state` as names and values. If
--   the protocol is newer than the caller's nothing was written and nothing is told
-- EMITS group_created group_restored
-- USES group plan announce ids retention

local function has_group(key)
  if redis.call('TYPE', key).ok == 'none' then return false end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    if fact(group, 'name') == GROUP then return true end
  end
  return false
end

-- A vanished group begins where all was settled, unless the stream itself began anew since.
local function restart()
  local checkpoint = redis.call('HGET', STATE, 'checkpoint')
  if not checkpoint or redis.call('TYPE', S).ok == 'none' then return '0' end
  local last = fact(redis.call('XINFO', 'STREAM', S), 'last-generated-id')
  return after(checkpoint, last) and '0' or checkpoint
end

local wrong = wrong_keys()
if wrong then return wrong end
local found = redis.call('HMGET', STATE, 'protocol', 'visibility_ms', 'version')
local known = found[1]
if tonumber(known or 0) > tonumber(ARGV[4]) then return {'', tonumber(known), {}} end

local now, on_stream, on_ready = now_ms(), has_group(S), has_group(READY)
local start = known and restart() or ARGV[6]
local made = ''
if not on_stream or not on_ready then made = known and 'restored' or 'created' end
if not known then will('HSET', STATE, 'protocol', ARGV[4], 'created_at', text(now)) end
if not found[2] then
  local visibility = tonumber(ARGV[5]) or DEFAULT_VISIBILITY
  will('HSET', STATE, 'visibility_ms', text(math.max(visibility, tonumber(ARGV[8]))))
end
if not found[3] then will('HSET', STATE, 'version', 1) end
if ARGV[7] ~= '' then will('HSET', STATE, 'type_field', ARGV[7]) end
if ARGV[9] == '1' then will_retain_longer(tonumber(ARGV[10]), tonumber(ARGV[11]), now) end
if not on_stream and known and redis.call('TYPE', S).ok == 'stream' then
  -- Up to here a first delivery may be of a job that has a record.
  local last = fact(redis.call('XINFO', 'STREAM', S), 'last-generated-id')
  will('HSET', STATE, 'doubtful', last)
end
if not on_stream then will('XGROUP', 'CREATE', S, GROUP, start, 'MKSTREAM') end
if not on_ready then will('XGROUP', 'CREATE', READY, GROUP, '0', 'MKSTREAM') end
if made == 'created' then
  will_announce('group_created', now, {'start', on_stream and '' or start})
elseif made == 'restored' then
  will_announce('group_restored', now, {'start', on_stream and '' or start})
end
if #plan > 0 then commit() end
return {made, tonumber(known or ARGV[4]), redis.call('HGETALL', STATE)}
