-- Stores results, announces them and takes their jobs out of the queue. May run twice for the same job.
--
-- KEYS  values, jobs, jobs:queued
-- ARGV  group, bound of `values`, seconds that whole digits are kept, channel `results`, then for each job: entry,
--       index, value as lists show it, key for the whole digits, whole digits ('' when they are there already),
--       event `value`
--
-- The event's "stored" time is set here, by Redis's clock, when the value is really there.
local values, jobs, queued = KEYS[1], KEYS[2], KEYS[3]
local group, bound, ttl, results = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])
local announced, show, taken_out = {}, {}, {}

-- One command for all of them where one does, as in `enqueue.lua`; a worker finishes dozens of small ones at a time.
local entries, indices = {}, {}
for i = 5, #ARGV, 6 do
  entries[#entries + 1] = ARGV[i]
  indices[#indices + 1] = ARGV[i + 1]
end
local before = redis.call('HMGET', values, unpack(indices))
local waiting = redis.call('HMGET', queued, unpack(indices))
local room = bound - redis.call('HLEN', values)

for job, entry in ipairs(entries) do
  local shown, key, whole, event = unpack(ARGV, 6 * job + 1, 6 * job + 4)
  if not before[job] then room = room - 1 end
  if before[job] or room >= 0 then
    show[#show + 1] = indices[job]
    show[#show + 1] = shown
  end
  -- Of its own, because the hash holds long values by their ends alone, and forgets any when a thousand newer ones have come:
  -- what is forgotten before reconciliation has seen it would be calculated again.
  if whole ~= '' then redis.call('SET', key, whole, 'EX', ttl) end
  if waiting[job] == entry then taken_out[#taken_out + 1] = indices[job] end
  local first = redis.pcall('XACK', jobs, group, entry) == 1
  if first or before[job] ~= shown then
    announced[#announced + 1] = string.gsub(event, '"stored":0', '"stored":' .. now, 1)
  end
end
if #show > 0 then redis.call('HSET', values, unpack(show)) end
if #taken_out > 0 then redis.call('HDEL', queued, unpack(taken_out)) end
redis.call('XDEL', jobs, unpack(entries))
if #announced > 0 then redis.call('PUBLISH', results, table.concat(announced, '\n')) end
return redis.call('HLEN', queued)
