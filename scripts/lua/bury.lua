-- Held to dead.
-- KEYS 1-10 the group's; 11.. the records of the items, in their order
-- ARGV 1-3 group, consumer, release; 4 page (rows); 5-8 first and last of the ids on S and on
--   ready; 9 bound of copied bodies (bytes); then for each: source (s or r), entry, count, job,
--   reason, error, attempt, deliveries, lost, crashes, details (inside of JSON)
-- RETURNS for each OK, STALE, GONE, WRONG, CANCELLED or LATER
-- EMITS dead cancelled vanished
-- USES group plan fence record story ids deletion copy batch grave
local wrong = wrong_keys()
if wrong then return wrong end
local items, failed = read_batch(10, 11)
if failed then return failed end
local now = now_ms()
read_bodies(items, tonumber(ARGV[9]))
for _, item in ipairs(items) do
  local at = item.at
  if item.answer == 'OK' then
    will_bury(item, ARGV[at], ARGV[at + 1], read_counts(at + 2), ARGV[at + 6], now)
  end
end
will_finish(items, now)
commit()
return answers(items)
