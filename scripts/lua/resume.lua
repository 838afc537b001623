-- Ends a pause.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; 4 by
-- RETURNS OK or REFUSED; why
-- EMITS resumed
-- USES group plan announce
local wrong = wrong_keys()
if wrong then return wrong end
if redis.call('HEXISTS', STATE, 'paused_since') == 0 then
  return {'REFUSED', "the group isn't paused"}
end
will_announce('resumed', now_ms(), {'by', ARGV[4]})
will('HDEL', STATE, 'paused_since', 'paused_by', 'paused_why')
commit()
return {'OK', ''}
