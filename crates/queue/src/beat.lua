-- A worker's sign of life: keeps it counted as alive, and keeps the jobs it is working on from being taken over.
--
-- KEYS  jobs, workers
-- ARGV  group, consumer, seconds after which a silent worker is forgotten, then the entries it is working on
--
-- An entry that another worker has taken over meanwhile (this one was stopped for too long) stays with the other.
local jobs, workers = KEYS[1], KEYS[2]
local group, consumer, forget = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = redis.call('TIME')[1]
redis.call('ZADD', workers, now, consumer)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - forget)

for i = 4, #ARGV do
  local pending = redis.pcall('XPENDING', jobs, group, ARGV[i], ARGV[i], 1)
  if not pending.err and pending[1] and pending[1][2] == consumer then
    redis.call('XCLAIM', jobs, group, consumer, 0, ARGV[i], 'IDLE', 0, 'JUSTID')
  end
end

-- Consumers of workers that are gone and own nothing are only clutter. (One that owns jobs must stay: deleting
-- a consumer deletes what is pending for it.)
local consumers = redis.pcall('XINFO', 'CONSUMERS', jobs, group)
if not consumers.err then
  for _, info in ipairs(consumers) do
    local about = {}
    for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
    if about.pending == 0 and about.idle > forget * 1000 and about.name ~= consumer then
      redis.call('XGROUP', 'DELCONSUMER', jobs, group, about.name)
    end
  end
end
return redis.status_reply('OK')
