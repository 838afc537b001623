-- What the groups of `S` still need of it.

-- The lowest id that a group needs, as XINFO tells of it.
local function lowest(group)
  if fact(group, 'pending') > 0 then
    local first = redis.call('XPENDING', S, fact(group, 'name'))[2]
    if first then return first end
  end
  return following(fact(group, 'last-delivered-id'))
end

-- The lowest id that this group needs, and the lowest that any other does; nil: there is none such.
-- Or nil, nil and an error.
local function needs()
  local groups = redis.pcall('XINFO', 'GROUPS', S)
  if groups.err then return nil, nil, groups end
  local own, others
  for _, group in ipairs(groups) do
    local first = lowest(group)
    if fact(group, 'name') == GROUP then
      own = first
    elseif not others or after(others, first) then
      others = first
    end
  end
  return own, others
end
