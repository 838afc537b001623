-- Stops the handing out of jobs in a group.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; 4 by; 5 why
-- RETURNS OK or REFUSED; why
-- EMITS paused
-- USES group plan announce
local wrong = wrong_keys()
if wrong then return wrong end
if redis.call('HEXISTS', STATE, 'paused_since') == 1 then
  return {'REFUSED', 'the group is paused already'}
end
local now = now_ms()
will('HSET', STATE, 'paused_since', text(now), 'paused_by', ARGV[4], 'paused_why', ARGV[5])
will_announce('paused', now, {'by', ARGV[4], 'why', ARGV[5]})
commit()
return {'OK', ''}
