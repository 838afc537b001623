-- The record of a job: opened (and checked) before the first write, written with its story.
local KEPT_FIRST, KEPT_LAST = 20, 80
local FACTS = {'e_count', 'fields', 'state', 'entry'}
local ended = {'ZADD', FINISHED}

-- The record as it is, or nil and the error if another type of key is in its place. `asked`: names
-- to read, which begin with FACTS; the values are in `found`. What will be written gathers in `sets`
-- (a command), `drops` and, of many fields of its job, `body`.
local function open_record(key, asked)
  asked = asked or FACTS
  local found = redis.pcall('HMGET', key, unpack(asked))
  if found.err then
    local wrong = wrong_type(key, 'hash')
    if wrong then return nil, wrong end
    found = redis.call('HMGET', key, unpack(asked))
  end
  return {
    key = key,
    exists = found[1] or found[3],
    events = tonumber(found[1] or 0),
    fields = tonumber(found[2] or 0),
    state = found[3],
    entry = found[4],
    asked = asked,
    found = found,
    sets = nil,
  }
end

local function set(record, name, value)
  local sets = record.sets or {'HSET', record.key}
  record.sets = sets
  local last = #sets
  sets[last + 1], sets[last + 2] = name, value
end

-- Sets what may be empty: a new record does without it.
local function set_any(record, name, value)
  if value ~= '' or record.exists then set(record, name, value) end
end

local function drop(record, name)
  local drops = record.drops or {}
  record.drops = drops
  drops[#drops + 1] = name
end

-- Whether anything is to be written to it.
local function is_set(record)
  return record.sets ~= nil
end

-- Begins what a record is set to: where the job is now, and the numbers that it carries on.
local function set_state(record, state, counts)
  record.sets = {
    'HSET', record.key, 'state', state, 'attempt', counts.attempt, 'deliveries', counts.deliveries,
    'lost', counts.lost, 'crashes', counts.crashes,
  }
end

local function add_event(record, json)
  record.events = record.events + 1
  set(record, 'e_count', record.events)
  set(record, 'e:' .. record.events, json)
  local dropped = record.events - KEPT_LAST
  if dropped > KEPT_FIRST then drop(record, 'e:' .. dropped) end
end

-- Plans that the record loses the job's own fields, `f:<name>`, if it has them.
local function drop_body(record)
  if record.fields == 0 then return end
  for _, name in ipairs(record.names or redis.call('HKEYS', record.key)) do
    if string.sub(name, 1, 2) == 'f:' then drop(record, name) end
  end
  drop(record, 'fields')
end

-- Plans the job's own fields of one that has many.
local function will_keep_body(record)
  if record.body then will_each({'HSET', record.key}, record.body) end
end

local function will_set(record)
  if record.sets then will_run(record.sets) end
  if record.drops then will_each({'HDEL', record.key}, record.drops) end
end

-- Plans a first write to a record that changes nothing of it.
local function will_keep_count(record)
  will('HSET', record.key, 'e_count', record.events)
end

local function will_record(record)
  will_keep_body(record)
  will_set(record)
end

-- Plans that a dead job's record goes in time, as its dead letter was removed by hand.
local function will_outlive(record, job, now)
  if record.state == 'dead' then will('ZADD', FINISHED, 'NX', text(now), job) end
end

-- Plans the end of a job: what is left is its story, until the sweep removes that too. One command
-- dates all that end in a call, when the call is published.
local function will_end(record, job, state, now)
  local at = text(now)
  set(record, 'state', state)
  set(record, 'ended', at)
  drop_body(record)
  will_record(record)
  local last = #ended
  ended[last + 1], ended[last + 2] = at, job
end

local function will_date_ends()
  if #ended > 2 then will_run(ended) end
  ended = {'ZADD', FINISHED}
end
