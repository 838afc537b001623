-- Sets what the stream keeps of settled entries, for all its groups.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; 4 retain (1 or 0: settled entries go); 5 for so long (ms or
--   ''), 6 so many entries (or ''); neither: all; 7 by
-- RETURNS what is retained now, as text ('' for nothing)
-- EMITS group_changed
-- USES group plan retention announce
local wrong = wrong_keys()
if wrong then return wrong end
local spec = ''
if ARGV[4] == '1' then
  spec = will_retain(tonumber(ARGV[5]), tonumber(ARGV[6]), now_ms())
else
  will('HDEL', SETTINGS, 'retain', 'retain_ms', 'retain_count', 'retain_at')
end
local kept = spec == '' and 'none' or spec
will_announce('group_changed', now_ms(), {'by', ARGV[7], 'changes', 'retain ' .. kept})
commit()
return spec
