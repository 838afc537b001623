-- Held to cancelled, for jobs whose cancel has reached the worker that holds them.
-- KEYS 1-10 the group's; 11.. the records of the items, in their order
-- ARGV 1-3 group, consumer, release; 4 page (rows); 5-8 first and last of the ids on S and on
--   ready; then for each: source (s or r), entry, count, job, details (inside of JSON)
-- RETURNS for each OK, STALE, GONE or WRONG
-- EMITS cancelled
-- USES group plan fence record story ids deletion copy batch
local wrong = wrong_keys()
if wrong then return wrong end
local items, failed = read_batch(9, 5)
if failed then return failed end
for _, item in ipairs(items) do
  item.details = ARGV[item.at]
  if item.answer == 'OK' then item.answer = 'CANCELLED' end
end
will_finish(items, now_ms())
commit()
local words = answers(items)
for i, word in ipairs(words) do
  if word == 'CANCELLED' then words[i] = 'OK' end
end
return words
