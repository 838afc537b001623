-- The deletion check: an entry leaves `S` when every group has settled it or moved it to its own
-- keys. The same on all servers, and exact for any number of groups.

-- Marks those ids that another group has not yet settled.
local function mark_needed(needed, ids, low, high, group)
  local last = fact(group, 'last-delivered-id')
  if not greater((split(last)), (split(high))) then
    for _, id in ipairs(ids) do
      if after(id, last) then needed[id] = true end
    end
  end
  if fact(group, 'pending') == 0 then return end
  local name, page = fact(group, 'name'), 2 * #ids
  local rows = redis.call('XPENDING', S, name, low, high, page)
  for _, row in ipairs(rows) do needed[row[1]] = true end
  if #rows < page then return end
  for _, id in ipairs(ids) do
    if not needed[id] then
      needed[id] = #redis.call('XPENDING', S, name, id, id, 1) > 0 or nil
    end
  end
end

-- Those ids of `S` that no other group needs; low and high bound them (ids or milliseconds).
local function unneeded(ids, low, high)
  if #ids == 0 or redis.call('HEXISTS', SETTINGS, 'retain') == 1 then return {} end
  local groups = redis.call('XINFO', 'GROUPS', S)
  if #groups == 1 then return ids end
  local needed, rest = {}, {}
  for _, group in ipairs(groups) do
    if fact(group, 'name') ~= GROUP then mark_needed(needed, ids, low, high, group) end
  end
  for _, id in ipairs(ids) do
    if not needed[id] then rest[#rest + 1] = id end
  end
  return rest
end

-- Plans the end of deliveries, the last writes of a script: one XACK and one XDEL a source.
local function will_ack(stream_ids, ready_ids, low, high)
  local gone = unneeded(stream_ids, low, high)
  will_each({'XACK', S, GROUP}, stream_ids)
  will_each({'XDEL', S}, gone)
  will_each({'XACK', READY, GROUP}, ready_ids)
  will_each({'XDEL', READY}, ready_ids)
end
