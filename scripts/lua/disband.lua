-- Ends a group. Bounded calls remove the records of its jobs, then trim off `S` what only this group
-- needed (all of it, if there is no other group); the last one removes its keys and itself.
-- KEYS 1-10 the group's; the records of found jobs begin with P:job:
-- ARGV 1-3 group, consumer, release
-- RETURNS records removed, more to do (1 or 0)
-- EMITS
-- USES group plan ids neighbour needs trim
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

-- Plans the first step of a trim of S to what the other groups need, if this one pinned more.
local function will_free()
  if redis.call('HEXISTS', SETTINGS, 'retain') == 1 then return end
  local own, others = needs()
  if not own then return end -- nobody was told that its entries would go
  return others and will_trim(S, 'MINID', others) or will_trim(S, 'MAXLEN', '0')
end

local wrong = wrong_keys()
if wrong then return wrong end
will_empty_set(DELAYED, unpadded)
will_empty_set(FINISHED, tostring)
will_empty_stream(DLQ)
will_empty_stream(READY)
will_empty_pending()
local more = #plan > 0
will_each({'UNLINK'}, records)
local trim = not more and will_free()
commit()
if trim then more = will_end_trim(trim) end
if not more then -- the group goes last: until then the same call does the rest
  if redis.call('EXISTS', S) == 1 then will('XGROUP', 'DESTROY', S, GROUP) end
  will('UNLINK', READY, DELAYED, STATE, EVENTS, DLQ, FINISHED, CANCELLED, WORKERS)
  will('UNLINK', PREFIX .. 'rates')
end
commit()
return {#records, more and 1 or 0}
