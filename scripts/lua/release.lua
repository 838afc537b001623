-- Held to queued: unfinished work is given back, nothing charged.
-- KEYS 1-10 the group's; 11.. the records of the items, in their order
-- ARGV 1-3 group, consumer, release; 4 page (rows); 5-8 first and last of the ids on S and on
--   ready; 9 bound of copied bodies (bytes); then for each: source (s or r), entry, count, job,
--   attempt, deliveries, lost, crashes, begun (1 or ''), details (inside of JSON)
-- RETURNS for each OK, STALE, GONE, WRONG, CANCELLED or LATER
-- EMITS released cancelled vanished
-- USES group plan fence record story ids deletion copy batch
local retains -- then every job that waits in `ready` has a record, for replay to see it

local function will_release(item, now)
  local at, record, body = item.at, item.record, item.body
  local counts, begun = read_counts(at), ARGV[at + 4] == '1'
  -- One that never began leaves no record, unless it is too long to travel without.
  local recorded = (record.exists or begun or body.long or retains) and record
  if recorded then
    set_state(record, 'queued', counts)
    set_any(record, 'begun', ARGV[at + 4])
  end
  tell('released', item.job, ARGV[at + 5], recorded, now)
  will_copy(ready_entry(item.job, counts, body.ours['@due'], begun), body, record)
end

local wrong = wrong_keys()
if wrong then return wrong end
local items, failed = read_batch(10, 10)
if failed then return failed end
local now = now_ms()
retains = redis.call('HEXISTS', SETTINGS, 'retain') == 1
read_bodies(items, tonumber(ARGV[9]))
for _, item in ipairs(items) do
  if item.answer == 'OK' then will_release(item, now) end
end
will_finish(items, now)
commit()
return answers(items)
