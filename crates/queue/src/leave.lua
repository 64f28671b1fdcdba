-- A worker leaves: it is no longer alive, and the jobs it could not finish may be taken over at once.
--
-- KEYS  jobs, workers
-- ARGV  group, consumer, idle time in ms that makes an entry look abandoned, then the entries
local jobs, workers = KEYS[1], KEYS[2]
redis.call('ZREM', workers, ARGV[2])
for i = 4, #ARGV do
  local pending = redis.pcall('XPENDING', jobs, ARGV[1], ARGV[i], ARGV[i], 1)
  if not pending.err and pending[1] and pending[1][2] == ARGV[2] then
    -- It was not the job's fault: this delivery does not count.
    redis.call('XCLAIM', jobs, ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3],
      'RETRYCOUNT', math.max(0, pending[1][4] - 1), 'JUSTID')
  end
end
return redis.status_reply('OK')
