-- Writes are planned first and made last, so that an error in between leaves nothing half written.
local plan = {}

-- Plans one command; its reply is in `reply` of the result after `commit`.
local function will(...)
  local command = {...}
  plan[#plan + 1] = command
  return command
end

-- Plans a command for each 1,000 of a list's values, behind the same words: unpack has a limit.
local function will_each(words, values)
  for from = 1, #values, 1000 do
    local command = {unpack(words)}
    for i = from, math.min(from + 999, #values) do command[#command + 1] = values[i] end
    plan[#plan + 1] = command
  end
end

local function commit()
  -- Needs no memory and changes nothing; after it Redis lets the script write when memory is full.
  redis.call('HDEL', STATE, '-')
  for _, command in ipairs(plan) do
    local run = command.optional and redis.pcall or redis.call
    command.reply = run(unpack(command))
    local later = command.named_by -- a command whose last argument is this one's reply
    if later then later[#later + 1] = command.reply end
  end
  plan = {}
end
