-- The checkpoint of the group, the trim of what no group needs, and pruning; bounded.
-- KEYS 1-10 the group's; the records of finished jobs begin with P:job:
-- ARGV 1-3 group, consumer, release; 4 age at which a finished job's record goes (ms); 5 most such
--   records; 6 bound of `events` (bytes)
-- RETURNS checkpoint, records pruned, entries trimmed off S, more to prune (1 or 0), consumers
--   whose heartbeat has expired (at most 20)
-- EMITS
-- USES group plan ids seek neighbour
local BATCH, MOST_EXPIRED = 100, 20
local OVER = {done = 1, cancelled = 1, vanished = 1, purged = 1}

-- The lowest id that a group still needs.
local function lowest(group)
  if fact(group, 'pending') > 0 then
    local first = redis.call('XPENDING', S, fact(group, 'name'))[2]
    if first then return first end
  end
  return following(fact(group, 'last-delivered-id'))
end

-- The checkpoint, and the lowest id that any group needs; or nil and an error.
local function needs()
  local groups = redis.pcall('XINFO', 'GROUPS', S)
  if groups.err then return nil, groups end
  local own, all
  for _, group in ipairs(groups) do
    local first = lowest(group)
    if fact(group, 'name') == GROUP then own = first end
    if not all or after(all, first) then all = first end
  end
  if not own then return nil, {err = 'NOGROUP no group ' .. GROUP .. ' on ' .. S} end
  return preceding(own), all
end

-- The state in a job's record; false if it has none, or a key of another type.
local function state_of(job)
  local key = record_key(job)
  return not wrong_type(key, 'hash') and redis.call('HGET', key, 'state')
end

-- Whether a job needs its record although it had ended: it came again, after its group was lost.
local function came_again(job)
  local state = state_of(job)
  if state ~= 'dead' then return state and not OVER[state] end
  local letter = redis.call('HGET', record_key(job), 'entry')
  return letter and #redis.call('XRANGE', DLQ, letter, letter) > 0
end

-- Plans the end of records of jobs that ended long ago, or are too many. Answers how many, more.
local function will_prune(now)
  local old = redis.call(
    'ZRANGEBYSCORE', FINISHED, '-inf', text(now - tonumber(ARGV[4])), 'LIMIT', 0, BATCH
  )
  local surplus = redis.call('ZCARD', FINISHED) - tonumber(ARGV[5])
  if surplus > #old then
    old = redis.call('ZRANGE', FINISHED, 0, math.min(surplus, BATCH) - 1)
  end
  local records = {}
  for _, job in ipairs(old) do
    if not came_again(job) then records[#records + 1] = record_key(job) end
  end
  will_each({'UNLINK'}, records)
  will_each({'ZREM', FINISHED}, old)
  return #old, #old == BATCH
end

-- The jobs that are in `ready`, as keys of a table; nil if it is too long to be looked through.
local function jobs_in_ready()
  local jobs = {}
  local all = look_through(READY, function(job)
    if job then jobs[job] = true end
  end)
  return all and jobs
end

-- Plans to forget cancels of jobs that are over: a page of them, where the last sweep left off.
local function will_forget_cancels(checkpoint)
  local cursor = redis.call('HGET', STATE, 'cursor:cancelled') or '0'
  local found = redis.call('SSCAN', CANCELLED, cursor, 'COUNT', BATCH)
  local over, doubtful = {}, {}
  for _, job in ipairs(found[2]) do
    local state = state_of(job)
    if state and OVER[state] then
      over[#over + 1] = job
    elseif not state and not after(job, checkpoint) then
      doubtful[#doubtful + 1] = job
    end
  end
  local waiting = #doubtful > 0 and jobs_in_ready()
  for _, job in ipairs(waiting and doubtful or {}) do
    if not waiting[job] then over[#over + 1] = job end
  end
  if found[1] ~= cursor then will('HSET', STATE, 'cursor:cancelled', found[1]) end
  will_each({'SREM', CANCELLED}, over)
end

local function will_trim_events()
  local used = redis.pcall('MEMORY', 'USAGE', EVENTS)
  local bound = tonumber(ARGV[6])
  if type(used) ~= 'number' or used <= bound then return end
  local kept = math.floor(redis.call('XLEN', EVENTS) * bound / used)
  will('XTRIM', EVENTS, 'MAXLEN', '~', text(kept))
end

local function expired(now)
  local visibility = tonumber(redis.call('HGET', STATE, 'visibility_ms') or DEFAULT_VISIBILITY)
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
local checkpoint, needed = needs()
if not checkpoint then return needed end
local now = now_ms()
local trim
if redis.call('HEXISTS', SETTINGS, 'retain') == 0 then trim = will('XTRIM', S, 'MINID', needed) end
will('HSET', STATE, 'checkpoint', checkpoint, 'swept_at', text(now))
local pruned, more = will_prune(now)
will_forget_cancels(checkpoint)
will_trim_events()
commit()
return {checkpoint, pruned, trim and trim.reply or 0, more and 1 or 0, expired(now)}
