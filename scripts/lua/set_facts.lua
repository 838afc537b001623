-- Sets facts of the group; workers learn their new version within a second.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; then names and values, an empty value removes
-- RETURNS version of the facts
-- EMITS
-- USES group plan
local wrong = wrong_keys()
if wrong then return wrong end
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    will('HDEL', STATE, ARGV[i])
  else
    will('HSET', STATE, ARGV[i], ARGV[i + 1])
  end
end
local version = will('HINCRBY', STATE, 'version', 1)
commit()
return version.reply
