-- Tries every write command of the scripts on a scratch key, so that missing rights are found
-- before the first job.
-- KEYS 1 P:probe
-- ARGV none
-- RETURNS nothing, or the command that failed and the error
-- EMITS
-- USES
local KEY = KEYS[1]
local TRIED = {
  {'HDEL', KEY, '-'},
  {'DEL', KEY},
  {'HSET', KEY, 'field', '1'}, {'HINCRBY', KEY, 'field', '1'}, {'PEXPIRE', KEY, '60000'},
  {'UNLINK', KEY},
  {'ZADD', KEY, '1', 'member'}, {'ZREM', KEY, 'member'}, {'UNLINK', KEY},
  {'SADD', KEY, 'member'}, {'SREM', KEY, 'member'}, {'UNLINK', KEY},
  {'XGROUP', 'CREATE', KEY, 'group', '0', 'MKSTREAM'},
  {'XADD', KEY, 'MAXLEN', '~', '10', '1-1', 'field', 'value'},
  {'XREADGROUP', 'GROUP', 'group', 'consumer', 'COUNT', '1', 'STREAMS', KEY, '>'},
  {'XCLAIM', KEY, 'group', 'consumer', '0', '1-1', 'JUSTID'},
  {'XAUTOCLAIM', KEY, 'group', 'consumer', '0', '0-0', 'COUNT', '1'},
  {'XACK', KEY, 'group', '1-1'}, {'XDEL', KEY, '1-1'}, {'XTRIM', KEY, 'MINID', '2-0'},
  {'XGROUP', 'DELCONSUMER', KEY, 'group', 'consumer'},
  {'XGROUP', 'DESTROY', KEY, 'group'},
  {'DEL', KEY},
}

local failed = {}
for _, command in ipairs(TRIED) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err and #failed == 0 then failed = {command[1], reply.err} end
end
return failed
