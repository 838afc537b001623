-- Burial: the job's entry goes to the dead-letter stream, with reason and numbers.
local function will_bury(item, reason, failure, counts, details, now)
  local record = item.record
  set_state(record, 'dead', counts)
  set(record, 'reason', reason)
  set(record, 'error', failure)
  set(record, 'ended', text(now))
  tell('dead', item.job, details, record, now)
  will_copy({
    'XADD', DLQ, '*', '@job', item.job, '@reason', reason, '@error', failure, '@attempts', counts.attempt,
    '@deliveries', counts.deliveries, '@lost', counts.lost, '@crashes', counts.crashes,
    '@at', text(now),
  }, item.body, record)
end
