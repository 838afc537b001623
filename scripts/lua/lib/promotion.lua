-- From `delayed` to `ready`: the body comes out of the record again.

-- The body that a record keeps, as fields of an entry; nil if there is none.
local function kept_body(record)
  if record.fields == 0 then return nil end
  local long = record.fields > BY_REFERENCE
  local body = {fields = {}, bytes = 0, in_record = long, long = long}
  if long then return body end
  local flat, fields = redis.call('HGETALL', record.key), body.fields
  for i = 1, #flat, 2 do
    if string.sub(flat[i], 1, 2) == 'f:' then
      local name = string.sub(flat[i], 3)
      if string.byte(name) == 64 then name = '@' .. name end
      fields[#fields + 1], fields[#fields + 2] = name, flat[i + 1]
      body.bytes = body.bytes + #name + #flat[i + 1]
    end
  end
  return body
end

-- Whether it is elsewhere by now: an earlier call failed before its last write.
local function has_moved(record)
  return record and record.state and record.state ~= 'delayed'
end

local function will_promote(job, due, details, record, body, now)
  local found = redis.call(
    'HMGET', record.key, 'attempt', 'deliveries', 'lost', 'crashes', 'begun'
  )
  local counts = {
    attempt = found[1] or '0', deliveries = found[2] or '0',
    lost = found[3] or '0', crashes = found[4] or '0',
  }
  set(record, 'state', 'queued')
  tell('promoted', job, details, record, now)
  will_copy(READY, ready_fields(job, counts, due, found[5] == '1'), body, record)
end
