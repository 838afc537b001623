-- Who may settle: the consumer of a pending entry, on that delivery count. ARGV[4] is the page,
-- ARGV 5 to 8 the range of ids on `S` and on `ready` (empty: none of them).

-- One look-up for a batch: delivery counts of what this consumer holds in a range, by entry id.
local function held_counts(key, low, high)
  local counts = {}
  if low == '' then return counts end
  local rows = redis.pcall('XPENDING', key, GROUP, low, high, ARGV[4], CONSUMER)
  if rows.err then return nil, rows end
  for i = 1, #rows do
    local row = rows[i]
    counts[row[1]] = row[4]
  end
  return counts
end

-- Ids that the page lacks are looked up singly: it was full, or they aren't ours.
local function verdict(key, counts, entry, count)
  local found = counts[entry]
  if not found then
    local row = redis.call('XPENDING', key, GROUP, entry, entry, 1)[1]
    if not row then return 'GONE' end
    if row[2] ~= CONSUMER then return 'STALE' end
    found = row[4]
  end
  return found == count and 'OK' or 'STALE'
end
