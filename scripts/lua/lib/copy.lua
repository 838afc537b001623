-- Copies of a job's entry. In `ready` and `dlq` a producer's `@x` stands as `@@x`; in a record
-- every field has its own name behind `f:`. Over 1,000 fields stay in the record, and the entry
-- says `@record 1`.
local BY_REFERENCE = 1000
local AT, NONE = string.byte('@'), {}
local pages = {} -- entries read last, by key

-- The body of an entry of `S`: fields as in `ready`, bytes.
local function original(flat)
  local bytes = 0
  for i = 1, #flat, 2 do
    if string.byte(flat[i]) == AT then flat[i] = '@' .. flat[i] end
    bytes = bytes + #flat[i] + #flat[i + 1]
  end
  return {fields = flat, ours = NONE, bytes = bytes, long = #flat > 2 * BY_REFERENCE}
end

-- The body of an entry of `ready` or `dlq`: fields, what we had added, bytes.
local function copied(flat)
  local fields, ours, last, bytes = {}, {}, 0, 0
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    if string.byte(name) == AT and string.byte(name, 2) ~= AT then
      ours[name] = value
    else
      fields[last + 1], fields[last + 2] = name, value
      last, bytes = last + 2, bytes + #name + #value
    end
  end
  local in_record = ours['@record'] == '1'
  local long = in_record or last > 2 * BY_REFERENCE
  return {fields = fields, ours = ours, bytes = bytes, in_record = in_record, long = long}
end

-- The body of an entry, nil if it was removed. `ahead`: so many entries are read at once, as the
-- next ones will be asked for.
local function read_body(key, entry, ahead)
  local page = pages[key]
  if not page or not page[entry] then
    page = {}
    for _, found in ipairs(redis.call('XRANGE', key, entry, '+', 'COUNT', ahead or 1)) do
      page[found[1]] = found[2]
    end
    pages[key] = page
  end
  local flat = page[entry]
  return flat and (key == S and original or copied)(flat)
end

-- Puts the fields into the record, unless they are there. Their count is at least 1, also of a job
-- without any: 0 says that the record keeps no body. Many have commands of their own.
local function keep_body(record, body)
  if body.in_record then return end
  local fields, kept = body.fields, body.long and {} or record.sets
  local last = #kept
  for i = 1, #fields, 2 do
    local name = fields[i]
    if string.byte(name) == AT then name = string.sub(name, 2) end
    kept[last + i], kept[last + i + 1] = 'f:' .. name, fields[i + 1]
  end
  kept[#kept + 1], kept[#kept + 2] = 'fields', math.max(1, #fields / 2)
  if body.long then record.body = kept end
end

-- Plans a copy: `entry` is the XADD with our own fields, which gets the job's own or where they
-- are. The body is where it belongs before the copy is made, and the record says so after it. A
-- record keeps the fields of a long entry, and of no other once the job has left `delayed`.
local function will_copy(entry, body, record)
  local last, fields = #entry, body.fields
  if body.long then
    keep_body(record, body)
    entry[last + 1], entry[last + 2] = '@record', '1'
  else
    drop_body(record)
    for i = 1, #fields do entry[last + i] = fields[i] end
  end
  will_keep_body(record)
  will_add(entry, record.sets)
  if record.sets then record.sets[#record.sets + 1] = 'entry' end
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
