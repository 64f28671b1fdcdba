-- A worker's heartbeat: registers the worker as live and resets the idle time of its jobs.
--
-- KEYS  jobs, jobs:large, jobs:repair, workers, workers:last-heartbeat
-- ARGV  group, consumer, live timeout in s, clock tolerance in s, expiry of a worker in s, longest
--       time in ms between heartbeats that is not an outage, then the ids of the worker's jobs
--
-- Returns 1 if this worker is the leader, else 0. The leader is the live worker whose name sorts
-- first.
local HEADER, MS_PER_SECOND = 6, 1000
local group, consumer, live_seconds, clock_tolerance, expiry, max_gap_ms = unpack(ARGV, 1, HEADER)
local workers, last_heartbeat = unpack(KEYS, #CLASSES + 1)
expiry = tonumber(expiry)
subtract_outage(group, last_heartbeat, tonumber(max_gap_ms))
local now = redis.call('TIME')[1]
redis.call('ZADD', workers, now, consumer)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - expiry)

-- If this worker was stopped for too long, another worker has reclaimed its jobs and keeps them.
for i = HEADER + 1, #ARGV do
  local stream, entry = locate(ARGV[i])
  local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  local _, owner = unpack(pending[1] or {})
  if owner == consumer then
    redis.call('XCLAIM', stream, group, consumer, 0, entry, 'IDLE', 0, 'JUSTID')
  end
end

-- Delete the consumers of dead workers, but not those with jobs: deleting a consumer deletes its
-- pending entries.
for _, class in ipairs(CLASSES) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', STREAMS[class], group)
  for _, fields in ipairs(consumers.err and {} or consumers) do
    local info = {}
    for i = 1, #fields, 2 do info[fields[i]] = fields[i + 1] end
    if info.pending == 0 and info.idle > expiry * MS_PER_SECOND and info.name ~= consumer then
      redis.call('XGROUP', 'DELCONSUMER', STREAMS[class], group, info.name)
    end
  end
end

-- A heartbeat from further in the future is of before the clock was set back.
local live = redis.call('ZRANGEBYSCORE', workers, now - live_seconds, now + clock_tolerance)
for _, name in ipairs(live) do
  if name < consumer then return 0 end
end
return 1
