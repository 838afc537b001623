-- Burial: the job's entry goes to the dead-letter stream, with reason and numbers.
local function will_bury(item, reason, failure, counts, details, now)
  local record = item.record
  set(record, 'state', 'dead', 'reason', reason, 'error', failure, 'ended', text(now))
  set_counts(record, counts)
  tell('dead', item.job, details, record, now)
  will_copy(DLQ, {
    '@job', item.job, '@reason', reason, '@error', failure, '@attempts', counts.attempt,
    '@deliveries', counts.deliveries, '@lost', counts.lost, '@crashes', counts.crashes,
    '@at', text(now),
  }, item.body, record)
end
