-- Resets the idle time of deliveries that are still held; tick and heartbeat.
-- KEYS 1-10 the group's; 11 the worker's hash; the records of vanished jobs begin with P:job:, and
--   one that isn't a hash is passed over
-- ARGV 1-3 group, consumer, release; 4 page (rows); 5-8 first and last of the ids on S and on
--   ready; 9 visibility timeout (ms) if the group has none; 10 m, then m names and values of the
--   heartbeat; then for each delivery: source (s or r), entry, count, job
-- RETURNS what isn't OK: place (1-based), STALE or GONE, place, word...
-- EMITS vanished
-- USES group plan fence record story tick
local SAMPLED_BYTES = 262144

-- Redis 6.2 claims removed entries without a word: there a part of them is looked at each time.
local function removed_unseen(items, now)
  local removed, bytes, from = {}, 0, math.floor(now / 1000)
  for i = 1, #items do
    if bytes > SAMPLED_BYTES then break end
    local item = items[(from + i) % #items + 1]
    local found = redis.call('XRANGE', item.key, item.entry, item.entry)[1]
    for _, value in ipairs(found and found[2] or {}) do bytes = bytes + #value end
    if not found then removed[item.entry] = true end
  end
  return removed
end

local wrong = wrong_keys() or wrong_type(KEYS[11], 'hash')
if wrong then return wrong end
local on_stream, failed = held_counts(S, ARGV[5], ARGV[6])
if failed then return failed end
local on_ready, missing = held_counts(READY, ARGV[7], ARGV[8])
if missing then return missing end

local now = now_ms()
local tick = read_tick(now, ARGV[9])
will_tick(tick)
local first = will_beat(tick, 10)
local words, held, ids = {}, {s = {}, r = {}}, {s = {}, r = {}}
for i = first, #ARGV, 4 do
  local source, place = ARGV[i], (i - first) / 4 + 1
  local key, counts = S, on_stream
  if source == 'r' then key, counts = READY, on_ready end
  local entry = ARGV[i + 1]
  words[place] = verdict(key, counts, entry, tonumber(ARGV[i + 2]))
  if words[place] == 'OK' then
    local items = held[source]
    items[#items + 1] = {key = key, entry = entry, job = ARGV[i + 3], place = place}
    ids[source][#items] = entry
  end
end
local claims = {}
for source, key in pairs({s = S, r = READY}) do
  if #ids[source] > 0 then
    local words_of_claim = {'XCLAIM', key, GROUP, CONSUMER, 0, unpack(ids[source])}
    words_of_claim[#words_of_claim + 1] = 'JUSTID'
    claims[source] = will(unpack(words_of_claim))
  end
end
commit()

-- Who has vanished is known only from the claims, so these records are opened after a first write:
-- the ids are acknowledged whatever stands where a record should be.
for source, claim in pairs(claims) do
  local kept, items, gone, jobs = {}, held[source], {}, {}
  for _, id in ipairs(claim.reply) do kept[id] = true end
  local unseen = redis.REDIS_VERSION_NUM and {} or removed_unseen(items, now)
  for _, item in ipairs(items) do
    if not kept[item.entry] or unseen[item.entry] then
      words[item.place] = 'GONE'
      gone[#gone + 1], jobs[#jobs + 1] = item.entry, item.job
      local record = open_record(record_key(item.job))
      record = record and record.exists and record
      tell('vanished', item.job, '', record, now)
      if record then will_end(record, item.job, 'vanished', now) end
    end
  end
  will_publish(now)
  will_each({'SREM', CANCELLED}, jobs)
  will_each({'XACK', source == 's' and S or READY, GROUP}, gone)
end
commit()
local exceptions = {}
for place, word in ipairs(words) do
  if word ~= 'OK' then
    exceptions[#exceptions + 1] = place
    exceptions[#exceptions + 1] = word
  end
end
return exceptions
