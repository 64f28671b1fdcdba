-- Stores results, announces them and removes their jobs from the queue. May run twice for the same
-- job.
--
-- KEYS  values, jobs, jobs:queued, jobs:dead, jobs:dead:indices
-- ARGV  the header below, then for each job:
--       entry, index, value as lists show it, whole value ('' if it is stored already),
--       event `value` up to the time at which the value is stored
--
-- That time is taken here, by Redis's clock; `event_end` follows it in every event.
local HEADER, FIELDS = 6, 5
local group, max_values, whole_value_prefix, whole_value_ttl, results_channel, event_end =
  unpack(ARGV, 1, HEADER)

local values, jobs, queued, dead, dead_indices = unpack(KEYS)
local time = redis.call('TIME')
-- Microseconds as text: Lua would round so large a number when it prints it.
local now = string.format('%d%06d', time[1], time[2])
local events, shown, dequeued = {}, {}, {}

-- One command for all jobs where possible, as in `enqueue.lua`: a worker completes dozens of small
-- jobs at a time.
local entries, indices = {}, {}
for i = HEADER + 1, #ARGV, FIELDS do
  entries[#entries + 1] = ARGV[i]
  indices[#indices + 1] = ARGV[i + 1]
end
local shown_before = redis.call('HMGET', values, unpack(indices))
local queued_entries = redis.call('HMGET', queued, unpack(indices))
local dead_letters = redis.call('HMGET', dead_indices, unpack(indices))
local free = max_values - redis.call('HLEN', values)

for job, entry in ipairs(entries) do
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
  if queued_entries[job] == entry then dequeued[#dequeued + 1] = indices[job] end
  local is_first_completion = redis.pcall('XACK', jobs, group, entry) == 1
  if is_first_completion or dead_letters[job] or shown_before[job] ~= value then
    events[#events + 1] = event .. now .. event_end
  end
end
if #shown > 0 then redis.call('HSET', values, unpack(shown)) end
if #dequeued > 0 then redis.call('HDEL', queued, unpack(dequeued)) end
redis.call('XDEL', jobs, unpack(entries))
if #events > 0 then redis.call('PUBLISH', results_channel, table.concat(events, '\n')) end
