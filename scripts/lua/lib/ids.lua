-- Entry ids by their two numbers. They have 64 bits, so Lua must not take them for numbers.

local function split(id)
  local dash = string.find(id, '-', 1, true)
  if not dash then return id, '' end
  return string.sub(id, 1, dash - 1), string.sub(id, dash + 1)
end

local function greater(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

-- Whether id a comes after id b.
local function after(a, b)
  local a_ms, a_seq = split(a)
  local b_ms, b_seq = split(b)
  if a_ms ~= b_ms then return greater(a_ms, b_ms) end
  return greater(a_seq, b_seq)
end
