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

-- Plans an XADD of fields to `key`; the new entry's id goes into the record, if there is one.
local function will_add(key, fields, record)
  local command = will('XADD', key, '*', unpack(fields))
  command.entry_of = record and record.key or nil
end

local function commit()
  -- Needs no memory and changes nothing; after it Redis lets the script write when memory is full.
  redis.call('HDEL', STATE, '-')
  for _, command in ipairs(plan) do
    local run = command.optional and redis.pcall or redis.call
    command.reply = run(unpack(command))
    if command.entry_of then redis.call('HSET', command.entry_of, 'entry', command.reply) end
  end
  plan = {}
end
