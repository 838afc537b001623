-- Where a job really is. After the loss of its group a record may tell of what isn't there.
local ENDED = {done = 1, cancelled = 1, vanished = 1, purged = 1}

-- Whether a record says that its job is over for good; `state` as it stands there, or false.
local function has_ended(state)
  return state and ENDED[state] ~= nil
end

local function stands_in(key, entry, job)
  local found = entry and redis.call('XRANGE', key, entry, entry)[1]
  return found and fact(found[2], '@job') == job or false
end

-- Whether a job is where its record says, in the group's own keys. What is held from `S` has never
-- been in `ready`, so its record names no entry.
local function is_as_recorded(record, job)
  local state = record.state
  if state == 'delayed' then return redis.call('ZSCORE', DELAYED, padded(job)) and true or false end
  if state == 'dead' then return stands_in(DLQ, record.entry, job) end
  if state ~= 'queued' and state ~= 'held' then return false end
  if record.entry or state == 'held' then return stands_in(READY, record.entry, job) end
  local found, all = seek(READY, job)
  return found ~= nil or not all
end

-- What a job is for this group on `S` itself: held, queued (unread) or false; or nil and an error.
local function on_stream(job)
  if redis.call('TYPE', S).ok == 'none' then return false end
  local rows = redis.pcall('XPENDING', S, GROUP, job, job, 1)
  if rows.err then return nil, rows end
  if rows[1] then return 'held' end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', S)) do
    if fact(group, 'name') == GROUP and after(job, fact(group, 'last-delivered-id')) then
      return #redis.call('XRANGE', S, job, job) > 0 and 'queued'
    end
  end
  return false
end
