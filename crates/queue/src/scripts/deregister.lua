-- Deregisters a worker: it no longer counts as live, and the jobs that it could not finish may be
-- claimed at once.
--
-- KEYS  jobs, workers
-- ARGV  group, consumer, idle time in ms to give to its jobs, then their entries
local HEADER = 3
local group, consumer, idle_ms = unpack(ARGV, 1, HEADER)
local jobs, workers = unpack(KEYS)
redis.call('ZREM', workers, consumer)
for i = HEADER + 1, #ARGV do
  local pending = redis.pcall('XPENDING', jobs, group, ARGV[i], ARGV[i], 1)
  if not pending.err and pending[1] and pending[1][2] == consumer then
    -- A shutdown is not the job's fault: this delivery does not count.
    local deliveries = math.max(0, pending[1][4] - 1)
    redis.call('XCLAIM', jobs, group, consumer, 0, ARGV[i], 'IDLE', idle_ms,
      'RETRYCOUNT', deliveries, 'JUSTID')
  end
end
return redis.status_reply('OK')
