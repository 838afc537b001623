-- Names for KEYS 1 to 10 and ARGV 1 to 3, the same in every script; time, numbers, type checks.
local S, READY, DELAYED, STATE, EVENTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local DLQ, FINISHED, CANCELLED, WORKERS, SETTINGS = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local GROUP, CONSUMER, RELEASE = ARGV[1], ARGV[2], ARGV[3]
local DEFAULT_VISIBILITY, MOST_EVENTS, LARGEST = 30000, 100000, 9007199254740991
local PREFIX = string.sub(STATE, 1, -6)
local TYPES = {
  'stream', 'stream', 'zset', 'hash', 'stream', 'stream', 'zset', 'set', 'zset', 'hash',
}

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A whole number as text: Lua writes 1.7e+12 for one of 13 digits. Most are the time of the call.
local texts = {}
local function text(number)
  local known = texts[number]
  if not known then
    known = string.format('%.0f', number)
    texts[number] = known
  end
  return known
end

local function record_key(job)
  return PREFIX .. 'job:' .. job
end

-- Where a job stands in `delayed`: padded, so that jobs due together keep the order of their ids.
local function padded(job)
  local dash = string.find(job, '-', 1, true) or #job + 1
  local ms, seq = string.sub(job, 1, dash - 1), string.sub(job, dash + 1)
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function unpadded(member)
  local ms, seq = string.match(member, '^0*(%d+)%-0*(%d+)$')
  return ms and (ms .. '-' .. seq) or member
end

-- An error to return if a key holds another type, before anything is written.
local function wrong_type(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted then
    return {err = 'WRONGTYPE ' .. key .. ' is a ' .. found .. ' and should be a ' .. wanted}
  end
end

local function wrong_keys()
  for i = 1, 10 do
    local wrong = wrong_type(KEYS[i], TYPES[i])
    if wrong then return wrong end
  end
end

-- The value of a name in a flat reply of names and values.
local function fact(reply, name)
  for i = 1, #reply, 2 do
    if reply[i] == name then return reply[i + 1] end
  end
end

-- The whole number that a text says, no larger than JSON can tell; nil if it says something else,
-- as what someone wrote by hand may.
local function whole(said)
  return said and string.match(said, '^%d+$') and math.min(tonumber(said), LARGEST) or nil
end

-- A cap that someone set for this group, else the default.
local function cap(name, default)
  return whole(redis.call('HGET', STATE, name)) or default
end

local function most_events()
  return cap('events_max', MOST_EVENTS)
end
