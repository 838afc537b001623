-- Looks through `ready` or `dlq` by `@job`, newest first, for jobs without a record. Bounded: 500
-- entries or 1 MB.

-- Visits job and entry id of each, from `newest` (or the end) back, until told to stop. Answers
-- whether all was looked at.
local function look_through(key, visit, newest)
  local looked, bytes, stop = 0, 0, newest or '+'
  while looked < 500 and bytes < 1048576 do
    local page = redis.call('XREVRANGE', key, stop, '-', 'COUNT', 20)
    for _, found in ipairs(page) do
      if visit(fact(found[2], '@job'), found[1]) == 'stop' then return false end
      for _, value in ipairs(found[2]) do bytes = bytes + #value end
    end
    if #page < 20 then return true end
    looked, stop = looked + #page, '(' .. page[#page][1]
  end
  return false
end

-- The id of a job's entry, or nil and whether all was looked at.
local function seek(key, job, newest)
  local entry
  local all = look_through(key, function(found, id)
    if found ~= job then return end
    entry = id
    return 'stop'
  end, newest)
  return entry, all
end
