-- How full everything is.
--
-- KEYS  jobs, jobs:queued, jobs:dead, workers
-- ARGV  seconds of silence after which a worker is not alive
--
-- Returns: jobs in the queue, dead letters, workers alive, age of the oldest job in ms (0 without one).
local time = redis.call('TIME')
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local age = 0
if oldest then
  age = math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(string.match(oldest[1], '^%d+')))
end
return {
  redis.call('HLEN', KEYS[2]),
  redis.call('XLEN', KEYS[3]),
  redis.call('ZCOUNT', KEYS[4], time[1] - ARGV[1], time[1] + 1),
  age,
}
