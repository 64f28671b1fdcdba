-- Stores results, announces them and takes their jobs out of the queue. May run twice for the same job.
--
-- KEYS  values, values:recent, jobs, jobs:queued
-- ARGV  group, bound of `values`, placeholder, seconds that whole digits are kept, channel `results`, then for each
--       job: entry, index, value as lists show it, key for the whole digits, whole digits ('' when they are there
--       already), event `value`
--
-- The event's "stored" time is set here, by Redis's clock, when the value is really there.
local values, recent, jobs, queued = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, bound, placeholder, ttl, results = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])
local announced = {}

for i = 6, #ARGV, 6 do
  local entry, index, shown, key, whole, event = unpack(ARGV, i, i + 5)
  local before = redis.call('HGET', values, index)
  local listed = before or redis.call('HLEN', values) < bound
  if listed then redis.call('HSET', values, index, shown) end
  -- Of its own, because the hash holds long values by their ends alone, and forgets any when a thousand newer ones have come:
  -- what is forgotten before reconciliation has seen it would be calculated again.
  if whole ~= '' then redis.call('SET', key, whole, 'EX', ttl) end
  if redis.call('HGET', queued, index) == entry then redis.call('HDEL', queued, index) end
  local first = redis.pcall('XACK', jobs, group, entry) == 1
  redis.call('XDEL', jobs, entry)
  if first or before ~= shown then
    announced[#announced + 1] = string.gsub(event, '"stored":0', '"stored":' .. now, 1)
  end
end
if #announced > 0 then redis.call('PUBLISH', results, table.concat(announced, '\n')) end
return redis.call('HLEN', queued)
