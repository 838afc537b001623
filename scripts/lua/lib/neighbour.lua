-- The entry ids right before and after another one, in decimal text: 64 bits are too many for Lua.
local LARGEST = '18446744073709551615'

-- A decimal number plus or minus one (step 1 or -1), without a sign.
local function stepped(number, step)
  local from, to = step > 0 and '9' or '0', step > 0 and '0' or '9'
  local head, tail = string.match(number, '^(.-)(' .. from .. '*)$')
  if head == '' then return '1' .. string.rep(to, #tail) end
  local digit = tonumber(string.sub(head, -1)) + step
  local result = string.sub(head, 1, -2) .. digit .. string.rep(to, #tail)
  return (string.gsub(result, '^0+(%d)', '%1'))
end

local function following(id)
  local ms, seq = split(id)
  if seq == LARGEST then return stepped(ms, 1) .. '-0' end
  return ms .. '-' .. stepped(seq, 1)
end

local function preceding(id)
  local ms, seq = split(id)
  if seq ~= '0' then return ms .. '-' .. stepped(seq, -1) end
  if ms == '0' then return '0-0' end
  return stepped(ms, -1) .. '-' .. LARGEST
end
