-- Whether anything is left to do. Reads only.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; 4 count delayed jobs only if due by then (ms, '' for all)
-- RETURNS any unread on S (1 or 0), any queued in ready (1 or 0), pending in both, delayed,
--   paused (1 or 0)
-- EMITS
-- USES group
local function unread_and_pending(key)
  local groups = redis.pcall('XINFO', 'GROUPS', key)
  if groups.err then groups = {} end
  for _, group in ipairs(groups) do
    if fact(group, 'name') == GROUP then
      local start = '(' .. fact(group, 'last-delivered-id')
      local unread = redis.call('XRANGE', key, start, '+', 'COUNT', 1)
      return #unread, fact(group, 'pending')
    end
  end
  return nil, {err = 'NOGROUP no group ' .. GROUP .. ' on ' .. key}
end

local wrong = wrong_keys()
if wrong then return wrong end
local unread, pending = unread_and_pending(S)
if not unread then return pending end
local ready, pending_ready = unread_and_pending(READY)
if not ready then return pending_ready end
local until_ms = ARGV[4] == '' and '+inf' or ARGV[4]
return {
  unread, ready, pending + pending_ready, redis.call('ZCOUNT', DELAYED, '-inf', until_ms),
  redis.call('HEXISTS', STATE, 'paused_since'),
}
