-- Releases jobs that a worker did not finish, without counting their delivery: neither a shutdown
-- nor a Redis that refuses the result is the job's fault.
--
-- KEYS  jobs
-- ARGV  group, consumer, idle time in ms to give to its jobs, then their entries
local HEADER = 3
local group, consumer, idle_ms = unpack(ARGV, 1, HEADER)
local jobs = unpack(KEYS)
for i = HEADER + 1, #ARGV do
  local pending = redis.pcall('XPENDING', jobs, group, ARGV[i], ARGV[i], 1)
  if not pending.err and pending[1] and pending[1][2] == consumer then
    local deliveries = math.max(0, pending[1][4] - 1)
    redis.call('XCLAIM', jobs, group, consumer, 0, ARGV[i], 'IDLE', idle_ms,
      'RETRYCOUNT', deliveries, 'JUSTID')
  end
end
return redis.status_reply('OK')
