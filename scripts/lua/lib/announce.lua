-- Plans an event of the whole group, which stands in no job's story; details are names and values.
local function will_announce(event, now, details)
  will(
    'XADD', EVENTS, 'MAXLEN', '~', text(most_events()), '*', 'event', event, 'at', text(now),
    'worker', CONSUMER, 'release', RELEASE, unpack(details)
  )
end
