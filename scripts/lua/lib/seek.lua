-- Looks for a job in `ready` or `dlq` by its `@job`, newest first, for jobs without a record.
-- Bounded: 500 entries or 1 MB. Answers the entry's id, or nil and whether all was looked at.
local function seek(key, job)
  local looked, bytes, stop = 0, 0, '+'
  while looked < 500 and bytes < 1048576 do
    local page = redis.call('XREVRANGE', key, stop, '-', 'COUNT', 20)
    for _, found in ipairs(page) do
      if fact(found[2], '@job') == job then return found[1] end
      for _, value in ipairs(found[2]) do bytes = bytes + #value end
    end
    if #page < 20 then return nil, true end
    looked, stop = looked + #page, '(' .. page[#page][1]
  end
  return nil, false
end
