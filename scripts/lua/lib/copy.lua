-- Copies of a job's entry. In `ready` and `dlq` a producer's `@x` stands as `@@x`; in a record
-- every field has its own name behind `f:`. Over 1,000 fields stay in the record, and the entry
-- says `@record 1`.
local BY_REFERENCE = 1000

-- The body of an entry, nil if it was removed: fields as in `ready`, what we had added, bytes.
local function read_body(key, entry)
  local found = redis.call('XRANGE', key, entry, entry)[1]
  if not found or not found[2] then return nil end
  local body = {fields = {}, ours = {}, bytes = 0}
  local flat, fields = found[2], body.fields
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    local at = string.byte(name) == 64
    if at and key ~= S and string.byte(name, 2) ~= 64 then
      body.ours[name] = value
    else
      fields[#fields + 1] = (at and key == S) and '@' .. name or name
      fields[#fields + 1] = value
      body.bytes = body.bytes + #name + #value
    end
  end
  body.in_record = body.ours['@record'] == '1'
  body.long = body.in_record or #fields > 2 * BY_REFERENCE
  return body
end

-- Puts the fields into the record, unless they are there. Their count is at least 1, also of a job
-- without any: 0 says that the record keeps no body.
local function keep_body(record, body)
  if body.in_record then return end
  local fields, kept = body.fields, record.body
  for i = 1, #fields, 2 do
    local name = fields[i]
    if string.byte(name) == 64 then name = string.sub(name, 2) end
    kept[i], kept[i + 1] = 'f:' .. name, fields[i + 1]
  end
  kept[#kept + 1], kept[#kept + 2] = 'fields', math.max(1, #fields / 2)
end

-- Fields of an entry for `ready` or `dlq`: ours first, then the job's own or where they are.
local function entry_fields(ours, body)
  local fields = ours
  if body.long then
    fields[#fields + 1] = '@record'
    fields[#fields + 1] = '1'
  else
    for i = 1, #body.fields do fields[#fields + 1] = body.fields[i] end
  end
  return fields
end

-- The body is where it belongs before the copy is made, and the record says so after it. A record
-- keeps the fields of a long entry, and of no other once the job has left `delayed`.
local function will_copy(key, ours, body, record)
  if body.long then keep_body(record, body) else drop_body(record) end
  local recorded = record.exists or #record.sets > 0
  will_keep_body(record)
  will_add(key, entry_fields(ours, body), recorded and record)
  if recorded then will_set(record) end
end

-- Ours, for `ready`. The due time only if it has been obeyed.
local function ready_fields(job, counts, due, begun)
  local fields = {
    '@job', job, '@attempt', counts.attempt, '@deliveries', counts.deliveries,
    '@lost', counts.lost, '@crashes', counts.crashes,
  }
  if due then fields[#fields + 1] = '@due'; fields[#fields + 1] = due end
  if begun then fields[#fields + 1] = '@begun'; fields[#fields + 1] = '1' end
  return fields
end

local function set_counts(record, counts)
  set(record, 'attempt', counts.attempt, 'deliveries', counts.deliveries)
  set(record, 'lost', counts.lost, 'crashes', counts.crashes)
end
