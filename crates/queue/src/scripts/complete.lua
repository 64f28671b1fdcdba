-- Stores results, publishes their `value` events and removes their jobs from the queue. May run
-- twice for the same job.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices, values
-- ARGV  the header below, then for each job:
--       id, index, value as lists show it, whole value ('' if it is stored already), start of the
--       `value` event
--
-- An event is its start, the time in µs at which its value is stored, and `event_end`.
local HEADER, FIELDS = 6, 5
local group, max_values, whole_value_prefix, whole_value_ttl, results_channel, event_end =
  unpack(ARGV, 1, HEADER)

local queued_indices, dead_letters, dead_letter_indices, values = unpack(KEYS, #CLASSES + 1)
local time = redis.call('TIME')
-- As text: Lua rounds a number to 14 digits when it prints it.
local now = string.format('%d%06d', time[1], time[2])
local events, new_fields, dequeued = {}, {}, {}

-- One command for all jobs where possible, as in `enqueue.lua`: a worker completes dozens of small
-- jobs at once.
local ids, indices = {}, {}
for i = HEADER + 1, #ARGV, FIELDS do
  ids[#ids + 1] = ARGV[i]
  indices[#indices + 1] = ARGV[i + 1]
end
local listed_values = redis.call('HMGET', values, unpack(indices))
local queued_ids = redis.call('HMGET', queued_indices, unpack(indices))
local dead_entries = redis.call('HMGET', dead_letter_indices, unpack(indices))
local free_fields = max_values - redis.call('HLEN', values)
-- Entries to delete, by stream.
local completed = {}

for job, id in ipairs(ids) do
  local field = HEADER + (job - 1) * FIELDS
  local value, whole_value, event_start = unpack(ARGV, field + 3, field + FIELDS)
  if not listed_values[job] then free_fields = free_fields - 1 end
  if listed_values[job] or free_fields >= 0 then
    new_fields[#new_fields + 1] = indices[job]
    new_fields[#new_fields + 1] = value
  end
  -- Short values have a key of their own too, because the lists evict them. A value that is evicted
  -- before reconciliation reads it would be calculated again.
  if whole_value ~= '' then
    redis.call('SET', whole_value_prefix .. indices[job], whole_value, 'EX', whole_value_ttl)
  end
  -- The job was dead-lettered while a slow worker was still calculating it.
  if dead_entries[job] then
    redis.call('HDEL', dead_letter_indices, indices[job])
    redis.pcall('XDEL', dead_letters, dead_entries[job])
  end
  if queued_ids[job] == id then dequeued[#dequeued + 1] = indices[job] end
  local stream, entry = locate(id)
  local is_first_completion = redis.pcall('XACK', stream, group, entry) == 1
  completed[stream] = completed[stream] or {}
  table.insert(completed[stream], entry)
  if is_first_completion or dead_entries[job] or listed_values[job] ~= value then
    events[#events + 1] = event_start .. now .. event_end
  end
end
if #new_fields > 0 then redis.call('HSET', values, unpack(new_fields)) end
if #dequeued > 0 then redis.call('HDEL', queued_indices, unpack(dequeued)) end
for stream, entries in pairs(completed) do redis.call('XDEL', stream, unpack(entries)) end
if #events > 0 then redis.call('PUBLISH', results_channel, table.concat(events, '\n')) end
