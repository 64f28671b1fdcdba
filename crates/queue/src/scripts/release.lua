-- Releases jobs that a worker did not finish, without counting their delivery: neither a shutdown
-- nor a Redis that refuses the result is the job's fault.
--
-- KEYS  jobs, jobs:large, jobs:repair
-- ARGV  group, consumer, idle time in ms to give to its jobs, then their ids
local HEADER = 3
local group, consumer, idle_ms = unpack(ARGV, 1, HEADER)
for i = HEADER + 1, #ARGV do
  local stream, entry = locate(ARGV[i])
  local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  if not pending.err and pending[1] and pending[1][2] == consumer then
    local deliveries = math.max(0, pending[1][4] - 1)
    redis.call('XCLAIM', stream, group, consumer, 0, entry, 'IDLE', idle_ms,
      'RETRYCOUNT', deliveries, 'JUSTID')
  end
end
return redis.status_reply('OK')
