-- Releases jobs that a worker did not finish, and does not count their delivery: a shutdown, or a
-- Redis that refuses the result, says nothing about the job.
--
-- KEYS  jobs, jobs:large, jobs:repair
-- ARGV  group, consumer, new idle time of the jobs in ms, then their ids
local HEADER = 3
local group, consumer, idle_ms = unpack(ARGV, 1, HEADER)
for i = HEADER + 1, #ARGV do
  local stream, entry = locate(ARGV[i])
  local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  local _, owner, _, deliveries = unpack(pending[1] or {})
  if owner == consumer then
    redis.call('XCLAIM', stream, group, consumer, 0, entry, 'IDLE', idle_ms,
      'RETRYCOUNT', math.max(0, deliveries - 1), 'JUSTID')
  end
end
return redis.status_reply('OK')
