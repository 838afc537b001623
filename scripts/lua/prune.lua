-- Removes what jobs leave behind: the records of those that ended long ago or are too many, cancels
-- that came too late, and old events. Bounded. A key of another type in the place of a record stays.
-- KEYS 1-10 the group's; the records of finished jobs begin with P:job:
-- ARGV 1-3 group, consumer, release
-- RETURNS records pruned, more to prune (1 or 0), the first key that should be a record and isn't
--   ('' if none)
-- EMITS
-- USES group plan record ids seek alive trim
local BATCH, SAMPLE, MOST_SKIPPED = 100, 10, 50
local FINISHED_MAX, FINISHED_AGE, EVENTS_BYTES = 100000, 7 * 86400000, 64 * 1048576
local checkpoint, cancels_to
local wrong_key = '' -- the first that should be a record and isn't

-- Whether a job needs its record although it had ended: it came again, after its group was lost.
local function came_again(job, record)
  if not record.state or has_ended(record.state) then return false end
  return is_as_recorded(record, job) or record.state ~= 'dead' and after(job, checkpoint)
end

-- How many ended jobs have more than their share of memory, judged by the oldest records.
local function too_heavy(count)
  local bound, used = cap('finished_bytes'), 0
  if not bound or count == 0 then return 0 end
  local sample = redis.call('ZRANGE', FINISHED, 0, SAMPLE - 1)
  for _, job in ipairs(sample) do
    used = used + (redis.call('MEMORY', 'USAGE', record_key(job)) or 0)
  end
  used = used / #sample * count
  return used > bound and math.ceil(count * (1 - bound / used)) or 0
end

-- Plans the end of records of jobs that ended. Answers how many, and whether there are more.
local function will_prune(now)
  local count = redis.call('ZCARD', FINISHED)
  local surplus = math.max(count - cap('finished_max', FINISHED_MAX), too_heavy(count))
  local since = now - cap('finished_age_ms', FINISHED_AGE)
  local oldest = redis.call('ZRANGE', FINISHED, 0, BATCH + MOST_SKIPPED - 1, 'WITHSCORES')
  local old, records = {}, {}
  for i = 1, #oldest, 2 do
    local job, ended = oldest[i], tonumber(oldest[i + 1])
    if #old == BATCH or (ended > since and #old >= surplus) then break end
    local record = open_record(record_key(job))
    if not record then
      if wrong_key == '' then wrong_key = record_key(job) end
    else
      old[#old + 1] = job
      if not came_again(job, record) then records[#records + 1] = record.key end
    end
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

-- Whether all that stood in `ready` when the last cancel was asked for has gone.
local function all_have_gone()
  local oldest = redis.call('XRANGE', READY, '-', '+', 'COUNT', 1)[1]
  return not oldest or cancels_to and after(oldest[1], cancels_to)
end

-- Whether a job is over: true, false, or nil where only `ready` can tell.
local function is_over(job)
  local record = open_record(record_key(job))
  if not record then return false end
  local ended = has_ended(record.state)
  if after(job, checkpoint) then return ended and on_stream(job) == false end
  if ended then return true end
  if not record.state then return nil end
  return not is_as_recorded(record, job)
end

-- Plans to forget cancels of jobs that are over: a page of them, where the last call left off.
local function will_forget_cancels()
  local cursor = redis.call('HGET', STATE, 'cursor:cancelled') or '0'
  local found = redis.call('SSCAN', CANCELLED, cursor, 'COUNT', BATCH)
  local over, doubtful = {}, {}
  for _, job in ipairs(found[2]) do
    local ended = is_over(job)
    if ended then over[#over + 1] = job end
    if ended == nil then doubtful[#doubtful + 1] = job end
  end
  local waiting = #doubtful > 0 and (all_have_gone() and {} or jobs_in_ready())
  for _, job in ipairs(waiting and doubtful or {}) do
    if not waiting[job] then over[#over + 1] = job end
  end
  if found[1] ~= cursor then will('HSET', STATE, 'cursor:cancelled', found[1]) end
  will_each({'SREM', CANCELLED}, over)
end

-- Plans trims of the story: to a number, an age, and the memory it uses. Answers their first steps.
local function will_trim_events(now)
  local length, most, kept_ms = redis.call('XLEN', EVENTS), most_events(), cap('events_age_ms')
  local used = redis.pcall('MEMORY', 'USAGE', EVENTS)
  local bound = cap('events_bytes', EVENTS_BYTES)
  if type(used) == 'number' and used > bound then
    most = math.min(most, math.floor(length * bound / used))
  end
  local steps = {}
  if length > most then steps[1] = will_trim(EVENTS, 'MAXLEN', text(most)) end
  local oldest = text(math.max(0, now - (kept_ms or now)))
  if kept_ms then steps[#steps + 1] = will_trim(EVENTS, 'MINID', oldest) end
  return steps
end

local wrong = wrong_keys()
if wrong then return wrong end
checkpoint = redis.call('HGET', STATE, 'checkpoint') or '0-0'
cancels_to = redis.call('HGET', STATE, 'cancels_to')
local now = now_ms()
local pruned, more = will_prune(now)
will_forget_cancels()
local steps = will_trim_events(now)
commit()
for _, step in ipairs(steps) do more = will_end_trim(step) or more end
commit()
return {pruned, more and 1 or 0, wrong_key}
