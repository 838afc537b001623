-- From `delayed` to `ready`: the body comes out of the record again.

-- What is asked of a record: its facts and counts, then the fields of the body that was read last,
-- as those of the next job are mostly the same.
local OURS, MOST_LIKELY = 9, 20
local likely = {
  'e_count', 'fields', 'state', 'entry', 'attempt', 'deliveries', 'lost', 'crashes', 'begun',
}

local function open_delayed(key)
  return open_record(key, likely)
end

-- Adds a record's field to a body, if it is one of the job's own.
local function collect(body, names, name, value)
  if not value or string.sub(name, 1, 2) ~= 'f:' then return end
  local fields, own = body.fields, string.sub(name, 3)
  if string.byte(own) == AT then own = '@' .. own end
  fields[#fields + 1], fields[#fields + 2] = own, value
  names[#names + 1] = name
  body.bytes = body.bytes + #own + #value
end

-- The body from all that the record holds; its names are asked for from now on.
local function whole_body(record)
  local body, names = {fields = {}, bytes = 0}, {}
  local flat = redis.call('HGETALL', record.key)
  for i = 1, #flat, 2 do collect(body, names, flat[i], flat[i + 1]) end
  likely = {unpack(likely, 1, OURS)}
  for i = 1, math.min(#names, MOST_LIKELY) do likely[OURS + i] = names[i] end
  return body, names
end

-- The body that a record keeps, as fields of an entry; nil if there is none.
local function kept_body(record)
  if record.fields == 0 then return nil end
  if record.fields > BY_REFERENCE then
    return {fields = {}, bytes = 0, in_record = true, long = true}
  end
  local body, names = {fields = {}, bytes = 0}, {}
  for i = OURS + 1, #record.asked do collect(body, names, record.asked[i], record.found[i]) end
  if #names ~= record.fields then body, names = whole_body(record) end
  record.names = names
  return body
end

-- Whether it is elsewhere by now: an earlier call failed before its last write.
local function has_moved(record)
  return record and record.state and record.state ~= 'delayed'
end

local function will_promote(job, due, details, record, body, now)
  local found = record.found
  local counts = {
    attempt = found[5] or '0', deliveries = found[6] or '0',
    lost = found[7] or '0', crashes = found[8] or '0',
  }
  set(record, 'state', 'queued')
  tell('promoted', job, details, record, now)
  will_copy(ready_entry(job, counts, due, found[9] == '1'), body, record)
end
