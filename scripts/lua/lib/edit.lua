-- A body that is put back by a person: without its schedule, and with fields of theirs.
local SCHEDULE = {'delay', 'run_at', 'expires'}

-- The changes in ARGV from `first`: name, kind (= sets, - removes) and value of each.
local function read_changes(first)
  local changes = {}
  for i = first, #ARGV, 3 do
    changes[ARGV[i]] = {value = ARGV[i + 1] == '=' and ARGV[i + 2] or false}
  end
  return changes
end

-- Where the producers' own field names the type, `delay` and such are theirs, too.
local function schedule_is_theirs()
  return redis.call('HEXISTS', STATE, 'type_field') == 1
end

-- Whether changes set a new time to wait for.
local function sets_schedule(changes)
  local set_here = changes.delay and changes.delay.value or changes.run_at and changes.run_at.value
  return set_here and not schedule_is_theirs()
end

-- Adds the removal of the schedule to changes, but for what they set themselves.
local function unscheduled(changes)
  if schedule_is_theirs() then return changes end
  for _, name in ipairs(SCHEDULE) do changes[name] = changes[name] or {value = false} end
  return changes
end

-- Plans changes of a body that stays in its record.
local function will_edit_record(record, changes)
  local count, kept = record.fields, {}
  for name, change in pairs(changes) do
    local field = 'f:' .. name
    local there = redis.call('HEXISTS', record.key, field)
    if change.value then
      kept[#kept + 1], kept[#kept + 2] = field, change.value
      count = count + 1 - there
    elseif there == 1 then
      drop(record, field)
      count = count - 1
    end
  end
  kept[#kept + 1], kept[#kept + 2] = 'fields', math.max(1, count)
  record.body = kept
end

-- Applies changes to a body; a field given more than once becomes one.
local function edit(record, body, changes)
  if body.in_record then return will_edit_record(record, changes) end
  local fields, kept, done = body.fields, {}, {}
  local function keep(name, value) kept[#kept + 1], kept[#kept + 2] = name, value end
  for i = 1, #fields, 2 do
    local at = string.byte(fields[i]) == 64
    local name = at and string.sub(fields[i], 2) or fields[i]
    local change = changes[name]
    if not change then
      keep(fields[i], fields[i + 1])
    elseif change.value and not done[name] then
      keep(fields[i], change.value)
    end
    done[name] = true
  end
  for name, change in pairs(changes) do
    if change.value and not done[name] then
      keep(string.byte(name) == 64 and '@' .. name or name, change.value)
    end
  end
  body.fields = kept
  body.long = #kept > 2 * BY_REFERENCE
end

-- Plans what makes a job fresh again: a new budget and a copy in `ready`.
local function will_put_back(event, job, deliveries, due, body, record, now)
  local counts = {attempt = 0, deliveries = deliveries, lost = 0, crashes = 0}
  will_keep_count(record) -- before the copy, so that a user without HSET makes none
  set_state(record, 'queued', counts)
  for _, name in ipairs({'begun', 'reason', 'error'}) do set(record, name, '') end
  tell(event, job, ARGV[5], record, now)
  will_copy(ready_entry(job, counts, due, false), body, record)
  will_publish(now)
  will('ZREM', FINISHED, job)
  will('SREM', CANCELLED, job)
end
