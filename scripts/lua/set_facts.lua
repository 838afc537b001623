-- Sets facts of the group; workers learn their new version within a second.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; 4 by; then names and values, an empty value removes
-- RETURNS version of the facts
-- EMITS group_changed
-- USES group plan announce
local wrong = wrong_keys()
if wrong then return wrong end
local changes = {}
for i = 5, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    will('HDEL', STATE, ARGV[i])
    changes[#changes + 1] = ARGV[i] .. ' none'
  else
    will('HSET', STATE, ARGV[i], ARGV[i + 1])
    changes[#changes + 1] = ARGV[i] .. ' ' .. ARGV[i + 1]
  end
end
will_announce('group_changed', now_ms(), {'by', ARGV[4], 'changes', table.concat(changes, ', ')})
local version = will('HINCRBY', STATE, 'version', 1)
commit()
return version.reply
