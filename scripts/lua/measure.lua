-- Adds to how long jobs waited and ran, and once a minute notes the counters of the group.
-- KEYS 1-10 the group's; 11 P:rates; the times go to P:times:<slot of ten minutes>
-- ARGV 1-3 group, consumer, release; then field (<w or r>:<bucket>:<type>) and count of each
-- RETURNS how many fields found no room
-- EMITS
-- USES group plan
local RATES = KEYS[11]
local FIRST = 4 -- where the counts begin in ARGV
local MINUTE_MS, MINUTES = 60000, 180
local SLOT_MS, MOST_FIELDS = 10 * MINUTE_MS, 5000
local KEPT_MS = 15 * SLOT_MS

-- Plans the counts, each where there is room for its field. Answers how many found none.
local function will_count(key)
  local room, refused = MOST_FIELDS - redis.call('HLEN', key), 0
  for i = FIRST, #ARGV, 2 do
    local field, count = ARGV[i], ARGV[i + 1]
    local known = redis.call('HEXISTS', key, field) == 1
    if known or room > 0 then
      will('HINCRBY', key, field, count)
      if not known then room = room - 1 end
    else
      refused = refused + 1
    end
  end
  if #ARGV >= FIRST then will('PEXPIRE', key, KEPT_MS) end
  return refused
end

-- All counters of the group, and how many entries the stream ever got, if the server counts them.
local function counters(now)
  local found, flat = {at = now, entries_added = cjson.null}, redis.call('HGETALL', STATE)
  for i = 1, #flat, 2 do
    local name = string.match(flat[i], '^n:(.+)$')
    if name then found[name] = whole(flat[i + 1]) end
  end
  local stream = redis.pcall('XINFO', 'STREAM', S)
  if not stream.err then found.entries_added = fact(stream, 'entries-added') or cjson.null end
  return cjson.encode(found)
end

local function will_note(now)
  local minute = math.floor(now / MINUTE_MS)
  if redis.call('HEXISTS', RATES, minute) == 1 then return end
  local old = {}
  for _, each in ipairs(redis.call('HKEYS', RATES)) do
    local age = minute - (whole(each) or 0)
    if age >= MINUTES or age < 0 then old[#old + 1] = each end
  end
  will('HSET', RATES, minute, counters(now))
  will('PEXPIRE', RATES, MINUTES * MINUTE_MS)
  will_each({'HDEL', RATES}, old)
end

local now = now_ms()
local slot = PREFIX .. 'times:' .. math.floor(now / SLOT_MS)
local wrong = wrong_keys() or wrong_type(RATES, 'hash') or wrong_type(slot, 'hash')
if wrong then return wrong end
local refused = will_count(slot)
will_note(now)
commit()
return refused
