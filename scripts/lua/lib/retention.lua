-- What `S` keeps of settled entries: for a time, so many, or all (neither is given).
local UNITS = {{'d', 86400000}, {'h', 3600000}, {'m', 60000}, {'s', 1000}, {'ms', 1}}

local function spelled(ms)
  for _, unit in ipairs(UNITS) do
    if ms % unit[2] == 0 then return text(ms / unit[2]) .. unit[1] end
  end
end

-- What is retained now: whether anything is, then ms and entries as numbers or nil.
local function retained()
  local found = redis.call('HMGET', SETTINGS, 'retain', 'retain_ms', 'retain_count')
  return found[1], whole(found[2]), whole(found[3])
end

-- Plans what is retained from now on; answers it as text.
local function will_retain(for_ms, entries, now)
  local parts = {}
  if for_ms then parts[1] = spelled(for_ms) end
  if entries then parts[#parts + 1] = text(entries) end
  local spec = #parts == 0 and 'all' or table.concat(parts, ',')
  if not retained() then will('HSET', SETTINGS, 'retain_at', text(now)) end
  will(
    'HSET', SETTINGS, 'retain', spec,
    'retain_ms', for_ms and text(for_ms) or '', 'retain_count', entries and text(entries) or ''
  )
  return spec
end

-- Plans what is retained when one more asks: the longest of each, and all if anyone wants all.
local function will_retain_longer(for_ms, entries, now)
  local spec, had_ms, had_entries = retained()
  if spec and not had_ms and not had_entries then return end
  if for_ms or entries then
    for_ms = for_ms and math.max(for_ms, had_ms or 0) or had_ms
    entries = entries and math.max(entries, had_entries or 0) or had_entries
  end
  if not spec or for_ms ~= had_ms or entries ~= had_entries then
    will_retain(for_ms, entries, now)
  end
end
