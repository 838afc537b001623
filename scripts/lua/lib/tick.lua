-- The tick of living workers, and the hold-off. Idle time runs on while Redis or all workers are
-- away: whoever finds the tick old, missing or in the future holds takeovers off for one
-- visibility timeout. Every writer of the tick checks it, or the first would hide the gap.
local function read_tick(now, fallback)
  local found = redis.call('HMGET', STATE, 'tick', 'hold', 'visibility_ms')
  local tick, hold = whole(found[1]), whole(found[2]) or 0
  local visibility = whole(found[3]) or tonumber(fallback or DEFAULT_VISIBILITY)
  if not tick or now - tick > visibility / 2 or now < tick or hold > now + visibility then
    hold = now + visibility
  end
  return {now = now, hold = hold, visibility = visibility}
end

local function will_tick(tick)
  will('HSET', STATE, 'tick', text(tick.now), 'hold', text(tick.hold))
end

-- Plans a worker's heartbeat: KEYS[11] is its hash; ARGV[first] a count of names and values.
-- Answers where the arguments go on.
local function will_beat(tick, first)
  local facts, last = {'at', text(tick.now)}, first + 2 * tonumber(ARGV[first])
  for i = first + 1, last do facts[#facts + 1] = ARGV[i] end
  will_each({'HSET', KEYS[11]}, facts)
  will('PEXPIRE', KEYS[11], text(3 * tick.visibility))
  will('ZADD', WORKERS, text(tick.now), CONSUMER)
  return last + 1
end
