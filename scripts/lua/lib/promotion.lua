-- From `delayed` to `ready`: the body comes out of the record again.
local COUNTS = {'attempt', 'deliveries', 'lost', 'crashes', 'begun'}

local function no_counts()
  return {attempt = '0', deliveries = '0', lost = '0', crashes = '0', begun = ''}
end

-- The body that a record keeps, as fields of an entry, and the counts beside it; nil if there is
-- none.
local function kept_body(record)
  if record.fields == 0 then return nil end
  if record.fields > BY_REFERENCE then
    local counts, found = no_counts(), redis.call('HMGET', record.key, unpack(COUNTS))
    for i, name in ipairs(COUNTS) do counts[name] = found[i] or counts[name] end
    return {fields = {}, bytes = 0, in_record = true, long = true}, counts
  end
  local flat, fields, names, counts = redis.call('HGETALL', record.key), {}, {}, no_counts()
  local bytes = 0
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    if string.sub(name, 1, 2) == 'f:' then
      names[#names + 1] = name
      name = string.sub(name, 3)
      if string.byte(name) == AT then name = '@' .. name end
      fields[#fields + 1], fields[#fields + 2] = name, value
      bytes = bytes + #name + #value
    elseif counts[name] then
      counts[name] = value
    end
  end
  record.names = names
  return {fields = fields, bytes = bytes}, counts
end

-- Whether it is elsewhere by now: an earlier call failed before its last write.
local function has_moved(record)
  return record and record.state and record.state ~= 'delayed'
end

local function will_promote(job, due, details, record, body, counts, now)
  set(record, 'state', 'queued')
  tell('promoted', job, details, record, now)
  will_copy(ready_entry(job, counts, due, counts.begun == '1'), body, record)
end
