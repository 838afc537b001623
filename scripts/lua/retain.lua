-- Sets what the stream keeps of settled entries, for all its groups.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release; 4 retain (1 or 0: settled entries go); 5 for so long (ms or
--   ''), 6 so many entries (or ''); neither: all
-- RETURNS what is retained now, as text ('' for nothing)
-- EMITS
-- USES group plan retention
local wrong = wrong_keys()
if wrong then return wrong end
local spec = ''
if ARGV[4] == '1' then
  spec = will_retain(tonumber(ARGV[5]), tonumber(ARGV[6]), now_ms())
else
  will('HDEL', SETTINGS, 'retain', 'retain_ms', 'retain_count', 'retain_at')
end
commit()
return spec
