-- Writes are planned first and made last, so that an error in between leaves nothing half written.
local plan = {}
local naming = {} -- by place in the plan of an XADD: a later command that the new id ends

-- Plans one command; its reply is in `reply` of the result after `commit`.
local function will(...)
  local command = {...}
  command.asked = true
  plan[#plan + 1] = command
  return command
end

-- Plans a command as it is, and asks for no reply: the cheap way, for what each job of a batch needs.
local function will_run(command)
  plan[#plan + 1] = command
end

-- Plans a command for each 1,000 of a list's values, behind the same words: unpack has a limit.
local function will_each(words, values)
  for from = 1, #values, 1000 do
    local command = {unpack(words)}
    for i = from, math.min(from + 999, #values) do command[#command + 1] = values[i] end
    will_run(command)
  end
end

-- Plans an XADD; the id of the new entry becomes the last word of `later`, a command after it.
local function will_add(command, later)
  will_run(command)
  naming[#plan] = later
end

local function commit()
  -- Needs no memory and changes nothing; after it Redis lets the script write when memory is full.
  redis.call('HDEL', STATE, '-')
  for i, command in ipairs(plan) do
    local run = command.optional and redis.pcall or redis.call
    local reply, later = run(unpack(command)), naming[i]
    if command.asked then command.reply = reply end
    if later then later[#later + 1] = reply end
  end
  plan, naming = {}, {}
end
