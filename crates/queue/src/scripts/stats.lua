-- Reads the state of the queue. Fails if Redis does not accept writes.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:dead, workers, health
-- ARGV  live timeout of workers in s, clock tolerance in s, expiry of health in s, most names
--
-- Returns the time in µs, the number of jobs of each class, of dead letters and of live workers, the
-- first names of live workers in alphabetical order, and the age in ms of the oldest job (0 if the
-- queue is empty).
local MS_PER_SECOND, US_PER_MS = 1000, 1000
local live_seconds, clock_tolerance, health_expiry, most_names = unpack(ARGV)
local dead_letters, workers, health = unpack(KEYS, #CLASSES + 1)
redis.call('SET', health, '', 'EX', health_expiry)
local time = redis.call('TIME')
local now_ms = time[1] * MS_PER_SECOND + math.floor(time[2] / US_PER_MS)
local lengths, age_ms = {}, 0
for _, class in ipairs(CLASSES) do
  lengths[#lengths + 1] = redis.call('XLEN', STREAMS[class])
  local oldest = redis.call('XRANGE', STREAMS[class], '-', '+', 'COUNT', 1)[1]
  if oldest then age_ms = math.max(age_ms, now_ms - oldest[1]:match('^%d+')) end
end
local live = redis.call(
  'ZRANGEBYSCORE', workers, time[1] - live_seconds, time[1] + clock_tolerance)
table.sort(live)
return {
  string.format('%d%06d', time[1], time[2]),
  lengths,
  redis.call('XLEN', dead_letters),
  #live,
  { unpack(live, 1, math.min(#live, most_names)) },
  age_ms,
}
