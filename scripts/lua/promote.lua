-- Delayed to queued for what is due, in due order, then in id order; tick and heartbeat; news.
-- KEYS 1-10 the group's; 11 the worker's hash; the records found in `delayed` begin with P:job:
-- ARGV 1-3 group, consumer, release; 4 most jobs; 5 bound of copied bodies (bytes); 6 hungry (1 or
--   0); 7 m, then m names and values of the heartbeat
-- RETURNS promoted, next due (ms, -1 if none), now (ms), paused (1 or 0), cancels that wait,
--   version of the facts, whether another worker is hungry (1 or 0), the first key that should be a
--   record and isn't ('' if none): its job stays where it is
-- EMITS promoted vanished
-- USES group plan record story copy promotion tick
local HUNGER_MS = 2500
local MOST_SKIPPED = 50
local skipped, skips, wrong_key = {}, 0, ''

local function skip(member, key)
  skipped[member], skips = true, skips + 1
  if wrong_key == '' then wrong_key = key end
end

-- When the next job is due that isn't one of those skipped, or -1.
local function next_due()
  if skips > MOST_SKIPPED then return -1 end
  local rows = redis.call('ZRANGE', DELAYED, 0, skips, 'WITHSCORES')
  for i = 1, #rows, 2 do
    if not skipped[rows[i]] then return tonumber(rows[i + 1]) end
  end
  return -1
end

-- Plans the promotion of due jobs. Answers where they stood.
local function will_promote_due(now)
  local bytes, members, most = 0, {}, tonumber(ARGV[4])
  local due = redis.call(
    'ZRANGEBYSCORE', DELAYED, '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, most + MOST_SKIPPED
  )
  for i = 1, #due, 2 do
    if #members == most then break end
    local job = unpadded(due[i])
    local record = open_delayed(record_key(job))
    local body = record and not has_moved(record) and kept_body(record)
    bytes = bytes + (body and body.bytes or 0)
    if #members > 0 and bytes > tonumber(ARGV[5]) then break end
    members[#members + 1] = record and due[i]
    if not record then
      skip(due[i], record_key(job))
    elseif body then
      local at = text(tonumber(due[i + 1]))
      will_promote(job, at, '"due":' .. at, record, body, now)
    elseif not has_moved(record) then
      tell('vanished', job, '', record, now)
      if record.exists then will_end(record, job, 'vanished', now) end
    end
  end
  return members
end

-- Who is hungry, for others to see; whether another one is.
local function will_hunger(now)
  local found = redis.call('HMGET', STATE, 'hungry_by', 'hungry_at')
  if ARGV[6] == '1' then
    will('HSET', STATE, 'hungry_by', CONSUMER, 'hungry_at', text(now))
  elseif found[1] == CONSUMER then
    will('HDEL', STATE, 'hungry_by', 'hungry_at')
  end
  local fresh = found[1] and now - tonumber(found[2] or 0) < HUNGER_MS
  return fresh and found[1] ~= CONSUMER and 1 or 0
end

local wrong = wrong_keys() or wrong_type(KEYS[11], 'hash')
if wrong then return wrong end
local now = now_ms()
local tick = read_tick(now)
local paused = redis.call('HEXISTS', STATE, 'paused_since')
will_tick(tick) -- before the first copy, so that a user without HSET makes none
local members = paused == 0 and will_promote_due(now) or {}
will_publish(now)
will_each({'ZREM', DELAYED}, members)
will_beat(tick, 7)
local hungry = will_hunger(now)
commit()
return {
  #members, paused == 0 and next_due() or -1, now, paused, redis.call('SCARD', CANCELLED),
  tonumber(redis.call('HGET', STATE, 'version') or 0), hungry, wrong_key,
}
