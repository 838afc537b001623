-- Copies of a job's entry. In `ready` and `dlq` a producer's `@x` stands as `@@x`; in a record
-- every field has its own name behind `f:`. Over 1,000 fields stay in the record, and the entry
-- says `@record 1`.
local BY_REFERENCE = 1000
local AT = string.byte('@')

-- The body of an entry, nil if it was removed: fields as in `ready`, what we had added, bytes.
local function read_body(key, entry)
  local found = redis.call('XRANGE', key, entry, entry)[1]
  local flat = found and found[2]
  if not flat then return nil end
  local fields, ours, last, bytes = {}, {}, 0, 0
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    local at = string.byte(name) == AT
    if at and key ~= S and string.byte(name, 2) ~= AT then
      ours[name] = value
    else
      fields[last + 1] = (at and key == S) and '@' .. name or name
      fields[last + 2] = value
      last, bytes = last + 2, bytes + #name + #value
    end
  end
  local in_record = ours['@record'] == '1'
  local long = in_record or last > 2 * BY_REFERENCE
  return {fields = fields, ours = ours, bytes = bytes, in_record = in_record, long = long}
end

-- Puts the fields into the record, unless they are there. Their count is at least 1, also of a job
-- without any: 0 says that the record keeps no body. Many have commands of their own.
local function keep_body(record, body)
  if body.in_record then return end
  local fields, kept = body.fields, body.long and record.body or record.sets
  local last = #kept
  for i = 1, #fields, 2 do
    local name = fields[i]
    if string.byte(name) == AT then name = string.sub(name, 2) end
    kept[last + i], kept[last + i + 1] = 'f:' .. name, fields[i + 1]
  end
  kept[#kept + 1], kept[#kept + 2] = 'fields', math.max(1, #fields / 2)
end

-- Plans a copy: `entry` is the XADD with our own fields, which gets the job's own or where they
-- are. The body is where it belongs before the copy is made, and the record says so after it. A
-- record keeps the fields of a long entry, and of no other once the job has left `delayed`.
local function will_copy(entry, body, record)
  local recorded = record.exists or is_set(record)
  local last, fields = #entry, body.fields
  if body.long then
    keep_body(record, body)
    entry[last + 1], entry[last + 2] = '@record', '1'
  else
    drop_body(record)
    for i = 1, #fields do entry[last + i] = fields[i] end
  end
  will_keep_body(record)
  plan[#plan + 1] = entry
  if not recorded then return end
  entry.named_by = record.sets
  record.sets[#record.sets + 1] = 'entry'
  will_set(record)
end

-- The XADD of a job to `ready`. The due time only if it has been obeyed.
local function ready_entry(job, counts, due, begun)
  local entry = {
    'XADD', READY, '*', '@job', job, '@attempt', counts.attempt, '@deliveries', counts.deliveries,
    '@lost', counts.lost, '@crashes', counts.crashes,
  }
  if due then entry[#entry + 1] = '@due'; entry[#entry + 1] = due end
  if begun then entry[#entry + 1] = '@begun'; entry[#entry + 1] = '1' end
  return entry
end
