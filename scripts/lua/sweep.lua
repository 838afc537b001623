-- The checkpoint of the group, and the trim of entries that no group needs and nobody wants kept;
-- bounded.
-- KEYS 1-10 the group's
-- ARGV 1-3 group, consumer, release
-- RETURNS checkpoint, entries trimmed off S, more to trim (1 or 0), consumers whose heartbeat has
--   expired (at most 20)
-- EMITS
-- USES group plan ids neighbour needs retention trim
local MOST_EXPIRED, MOST_WALKED, MOST_BYTES, PAGE = 20, 500, 1048576, 20

-- The id behind as many of the oldest entries before `first` as are too many, and whether there are
-- more of them: a walk sees a part.
local function behind_surplus(first, surplus)
  local looked, bytes, start = 0, 0, '-'
  while looked < surplus do
    if looked >= MOST_WALKED or bytes >= MOST_BYTES then return start, true end
    local asked = math.min(PAGE, surplus - looked)
    local page = redis.call('XRANGE', S, start, '(' .. first, 'COUNT', asked)
    for _, found in ipairs(page) do
      start = following(found[1])
      for _, value in ipairs(found[2]) do bytes = bytes + #value end
    end
    looked = looked + #page
    if #page < asked then return start, false end
  end
  return start, false
end

-- The first id that stays: needed, or young enough, or among the newest. `-`: all stay. And whether
-- there is more to trim after this.
local function first_kept(needed, now)
  local spec, for_ms, entries = retained()
  if not spec then return needed, false end
  if not for_ms and not entries then return '-', false end
  if for_ms then
    local young = text(math.max(0, now - for_ms)) .. '-0'
    if after(needed, young) then needed = young end
  end
  if not entries then return needed, false end
  return behind_surplus(needed, redis.call('XLEN', S) - entries)
end

local function expired(now)
  local visibility = whole(redis.call('HGET', STATE, 'visibility_ms')) or DEFAULT_VISIBILITY
  local silent = redis.call(
    'ZRANGEBYSCORE', WORKERS, '-inf', text(now - 3 * visibility), 'LIMIT', 0, MOST_EXPIRED
  )
  local gone = {}
  for _, consumer in ipairs(silent) do
    local alive = redis.call('EXISTS', PREFIX .. 'worker:' .. consumer) == 1
    if not alive then gone[#gone + 1] = consumer end
  end
  return gone
end

local wrong = wrong_keys()
if wrong then return wrong end
local own, others, failed = needs()
if failed then return failed end
if not own then return {err = 'NOGROUP no group ' .. GROUP .. ' on ' .. S} end
local checkpoint, now = preceding(own), now_ms()
local first, more = first_kept(others and after(own, others) and others or own, now)
local trim = first ~= '-' and will_trim(S, 'MINID', first)
will('HSET', STATE, 'checkpoint', checkpoint, 'swept_at', text(now))
-- From here on no first delivery can be of a job whose record the loss of its group left behind.
local doubtful = redis.call('HGET', STATE, 'doubtful')
if doubtful and not after(doubtful, checkpoint) then will('HDEL', STATE, 'doubtful') end
commit()
if trim then more = will_end_trim(trim) or more end
commit()
local trimmed = trim and trim.reply + (trim.rest and trim.rest.reply or 0) or 0
return {checkpoint, trimmed, more and 1 or 0, expired(now)}
