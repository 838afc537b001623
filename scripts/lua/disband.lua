-- Ends a group. Bounded calls remove the records of its jobs, the last one its keys and itself,
-- and trims off `S` what only this group needed: all of it, if there is no other group.
-- KEYS 1-10 the group's; the records of found jobs begin with P:job:
-- ARGV 1-3 group, consumer, release
-- RETURNS records removed, more (1 or 0)
-- EMITS
-- USES group plan ids neighbour
local BATCH, BODIES = 500, 20
local records = {}

local function will_forget(jobs)
  for _, job in ipairs(jobs) do records[#records + 1] = record_key(job) end
end

local function will_empty_set(key, name)
  local members, jobs = redis.call('ZRANGE', key, 0, BATCH - 1), {}
  for i, member in ipairs(members) do jobs[i] = name(member) end
  will_forget(jobs)
  will_each({'ZREM', key}, members)
end

local function will_empty_stream(key)
  local ids, jobs = {}, {}
  for i, found in ipairs(redis.call('XRANGE', key, '-', '+', 'COUNT', BODIES)) do
    ids[i] = found[1]
    jobs[#jobs + 1] = fact(found[2], '@job')
  end
  will_forget(jobs)
  will_each({'XDEL', key}, ids)
end

-- Held first deliveries: their records go, and they are no longer pending.
local function will_empty_pending()
  local rows, ids = redis.pcall('XPENDING', S, GROUP, '-', '+', BATCH), {}
  if rows.err then return end
  for i, row in ipairs(rows) do ids[i] = row[1] end
  will_forget(ids)
  will_each({'XACK', S, GROUP}, ids)
end

-- Plans the trim of S to what the other groups need.
local function will_trim(groups)
  if redis.call('HEXISTS', SETTINGS, 'retain') == 1 then return end
  local here, all = false, nil
  for _, group in ipairs(groups) do
    if fact(group, 'name') == GROUP then
      here = true
    else
      local pending = redis.call('XPENDING', S, fact(group, 'name'))
      local first = pending[2] or following(fact(group, 'last-delivered-id'))
      if not all or after(all, first) then all = first end
    end
  end
  if all then
    will('XTRIM', S, 'MINID', all)
  elseif here then -- else nobody was told that its entries would go
    will('XTRIM', S, 'MAXLEN', 0)
  end
end

local wrong = wrong_keys()
if wrong then return wrong end
will_empty_set(DELAYED, unpadded)
will_empty_set(FINISHED, tostring)
will_empty_stream(DLQ)
will_empty_stream(READY)
will_empty_pending()
local more = #plan > 0
if not more then
  local groups = redis.pcall('XINFO', 'GROUPS', S)
  if not groups.err then
    will_trim(groups)
    will('XGROUP', 'DESTROY', S, GROUP)
  end
  will('UNLINK', READY, DELAYED, STATE, EVENTS, DLQ, FINISHED, CANCELLED, WORKERS)
  will('UNLINK', PREFIX .. 'rates')
end
will_each({'UNLINK'}, records)
commit()
return {#records, more and 1 or 0}
