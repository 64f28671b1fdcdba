-- A worker's heartbeat: the worker counts as live, and the jobs that it works on are not idle.
--
-- KEYS  jobs, workers, workers:last-heartbeat
-- ARGV  group, consumer, seconds without a heartbeat after which a worker is forgotten, longest gap
--       in ms between heartbeats that is not an outage, then the entries that it works on
--
-- An entry that another worker has claimed meanwhile, because this one was stopped for too long,
-- stays with the other.
local HEADER, MS_PER_SECOND = 4, 1000
local group, consumer, expiry, max_gap_ms = unpack(ARGV, 1, HEADER)
local jobs, workers, last_heartbeat = unpack(KEYS)
expiry = tonumber(expiry)
subtract_outage(jobs, group, last_heartbeat, tonumber(max_gap_ms))
local now = redis.call('TIME')[1]
redis.call('ZADD', workers, now, consumer)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - expiry)

for i = HEADER + 1, #ARGV do
  local pending = redis.pcall('XPENDING', jobs, group, ARGV[i], ARGV[i], 1)
  if not pending.err and pending[1] and pending[1][2] == consumer then
    redis.call('XCLAIM', jobs, group, consumer, 0, ARGV[i], 'IDLE', 0, 'JUSTID')
  end
end

-- Delete the consumers of workers that are gone, unless they own jobs: deleting a consumer deletes
-- its pending entries.
local consumers = redis.pcall('XINFO', 'CONSUMERS', jobs, group)
if not consumers.err then
  for _, fields in ipairs(consumers) do
    local info = {}
    for i = 1, #fields, 2 do info[fields[i]] = fields[i + 1] end
    if info.pending == 0 and info.idle > expiry * MS_PER_SECOND and info.name ~= consumer then
      redis.call('XGROUP', 'DELCONSUMER', jobs, group, info.name)
    end
  end
end
return redis.status_reply('OK')
