-- Trims of long streams in bounded steps: whole nodes first, then what is left of one.
local MOST_TRIMMED = 10000

-- Plans a first step; `how` is MINID or MAXLEN.
local function will_trim(key, how, threshold)
  local step = will('XTRIM', key, how, '~', threshold, 'LIMIT', MOST_TRIMMED)
  step.exactly = {'XTRIM', key, how, threshold}
  return step
end

-- Plans the rest of a trim whose first step was committed, if it is short; else answers true.
local function will_end_trim(step)
  if step.reply >= MOST_TRIMMED / 2 then return true end
  step.rest = will(unpack(step.exactly))
  return false
end
