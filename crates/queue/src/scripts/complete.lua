-- Stores results, announces them and removes their jobs from the queue. May run twice for the same
-- job.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices, values
-- ARGV  the header below, then for each job:
--       id, index, value as lists show it, whole value ('' if it is stored already),
--       event `value` up to the time at which the value is stored
--
-- That time is taken here, by Redis's clock; `event_end` follows it in every event.
local HEADER, FIELDS = 6, 5
local group, max_values, whole_value_prefix, whole_value_ttl, results_channel, event_end =
  unpack(ARGV, 1, HEADER)

local queued, dead, dead_indices, values = unpack(KEYS, #CLASSES + 1)
local time = redis.call('TIME')
-- Microseconds as text: Lua would round so large a number when it prints it.
local now = string.format('%d%06d', time[1], time[2])
local events, shown, dequeued = {}, {}, {}

-- One command for all jobs where possible, as in `enqueue.lua`: a worker completes dozens of small
-- jobs at a time.
local ids, indices = {}, {}
for i = HEADER + 1, #ARGV, FIELDS do
  ids[#ids + 1] = ARGV[i]
  indices[#indices + 1] = ARGV[i + 1]
end
local shown_before = redis.call('HMGET', values, unpack(indices))
local queued_ids = redis.call('HMGET', queued, unpack(indices))
local dead_letters = redis.call('HMGET', dead_indices, unpack(indices))
local free = max_values - redis.call('HLEN', values)
-- Entries to delete, by stream.
local completed = {}

for job, id in ipairs(ids) do
  local field = HEADER + (job - 1) * FIELDS
  local value, whole_value, event = unpack(ARGV, field + 3, field + FIELDS)
  if not shown_before[job] then free = free - 1 end
  if shown_before[job] or free >= 0 then
    shown[#shown + 1] = indices[job]
    shown[#shown + 1] = value
  end
  -- Whole values have keys of their own: the hash holds long ones abbreviated, and drops any value
  -- after a thousand newer ones. One that it drops before reconciliation has seen it would be
  -- calculated again.
  if whole_value ~= '' then
    redis.call('SET', whole_value_prefix .. indices[job], whole_value, 'EX', whole_value_ttl)
  end
  -- A worker that was only slow has succeeded after all.
  if dead_letters[job] then
    redis.call('HDEL', dead_indices, indices[job])
    redis.pcall('XDEL', dead, dead_letters[job])
  end
  if queued_ids[job] == id then dequeued[#dequeued + 1] = indices[job] end
  local stream, entry = locate(id)
  local is_first_completion = redis.pcall('XACK', stream, group, entry) == 1
  completed[stream] = completed[stream] or {}
  table.insert(completed[stream], entry)
  if is_first_completion or dead_letters[job] or shown_before[job] ~= value then
    events[#events + 1] = event .. now .. event_end
  end
end
if #shown > 0 then redis.call('HSET', values, unpack(shown)) end
if #dequeued > 0 then redis.call('HDEL', queued, unpack(dequeued)) end
for stream, entries in pairs(completed) do redis.call('XDEL', stream, unpack(entries)) end
if #events > 0 then redis.call('PUBLISH', results_channel, table.concat(events, '\n')) end
