-- The state of the queue. Fails when Redis does not accept writes.
--
-- KEYS  jobs, jobs:queued, jobs:dead, workers, health
-- ARGV  seconds without a heartbeat after which a worker is not live, tolerance of clocks in s,
--       expiry of health in s
--
-- Returns the time in µs, the queue length, dead letters, live workers, and the oldest job's age in ms (or 0).
local MS_PER_SECOND, US_PER_MS = 1000, 1000
local live_seconds, clock_tolerance, health_expiry = unpack(ARGV)
local jobs, queued, dead, workers, health = unpack(KEYS)
redis.call('SET', health, '', 'EX', health_expiry)
local time = redis.call('TIME')
local oldest = redis.call('XRANGE', jobs, '-', '+', 'COUNT', 1)[1]
local age_ms = 0
if oldest then
  local now_ms = time[1] * MS_PER_SECOND + math.floor(time[2] / US_PER_MS)
  age_ms = math.max(0, now_ms - oldest[1]:match('^%d+'))
end
return {
  string.format('%d%06d', time[1], time[2]),
  redis.call('HLEN', queued),
  redis.call('XLEN', dead),
  redis.call('ZCOUNT', workers, time[1] - live_seconds, time[1] + clock_tolerance),
  age_ms,
}
