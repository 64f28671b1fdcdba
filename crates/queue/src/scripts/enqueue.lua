-- Enqueues indices, each at most once and only if its value is missing.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices, values,
--       values:recent
-- ARGV  the header below, then for each index:
--       index, class, submission id, request id, received µs, committed µs, traceparent or '',
--       `seen` event or ''
--
-- mode  submit     a new submission: list it, and queue it if its value is missing
--       restore    an earlier submission: the same
--       backfill   an earlier submission: queue it if its value is missing; do not list it
--       announced  published on `insert` by a server of the original: queue it if its value is
--                  missing; do not list it, and do not publish it on `insert` again
--       recompute  its digits were requested but have expired: queue it even if it is listed with
--                  a value
--
-- A submit or recompute of an index replaces its repair job, so that no user waits behind repair.
-- It does not if the job has been delivered already, or if its own class is full. An announcement
-- never does, because repair jobs are published on `insert` as well.
--
-- Returns the time in µs, the number of jobs of each class, and a list of state, value for each
-- index. The value is as lists show it; '' unless the state is `done` and the index is listed.
local HEADER, FIELDS = 14, 8
local mode, pending, max_values, max_small, max_large, max_repair, group, insert_channel,
  results_channel, whole_value_prefix, whole_digits, end_digits, abbreviated_format,
  abbreviated_pattern = unpack(ARGV, 1, HEADER)
max_values = tonumber(max_values)
local max_jobs = {
  small = tonumber(max_small), large = tonumber(max_large), repair = tonumber(max_repair)
}
whole_digits, end_digits = tonumber(whole_digits), tonumber(end_digits)

local queued_indices, dead_letters, dead_letter_indices, values, recent_indices =
  unpack(KEYS, #CLASSES + 1)
-- The first byte of packed digits is at least this; each further byte has two digits (`packed.rs`).
local PACKED, DIGITS_PER_BYTE = 0xf0, 2

local time = redis.call('TIME')
-- As text: Lua rounds a number to 14 digits when it prints it.
local now = string.format('%d%06d', time[1], time[2])
local lengths = {}
for _, class in ipairs(CLASSES) do lengths[class] = redis.call('XLEN', STREAMS[class]) end
local outcomes, events = {}, {}

-- One command for all indices where possible: calling a command costs more than its work. Lua's
-- stack holds a few thousand arguments; the producer sends hundreds of indices at a time.
local indices, submissions = {}, {}
for i = HEADER + 1, #ARGV, FIELDS do
  indices[#indices + 1] = ARGV[i]
  submissions[#submissions + 1] = ARGV[i + 2]
  submissions[#submissions + 1] = ARGV[i]
end
local listed_values = redis.call('HMGET', values, unpack(indices))
local adds_to_lists = mode == 'submit' or mode == 'restore'
if adds_to_lists then redis.call('ZADD', recent_indices, 'GT', unpack(submissions)) end

local function is_number(text)
  return text:find('^%d+$')
end

-- Whether lists may show the text as a value: a number, whole or abbreviated. The original writes
-- to the hash as well; any other text in it counts as missing.
local function is_value(text)
  return #text <= whole_digits and (is_number(text) or text:find(abbreviated_pattern))
end

local function hexadecimal(bytes)
  return (bytes:gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
end

-- Abbreviates a long value, text or packed, like `contract::abbreviate`. Reads only its ends:
-- reading all of it takes milliseconds. Returns nil if the ends are not digits.
local function abbreviate(key, bytes)
  local first = redis.call('GETRANGE', key, 0, end_digits - 1)
  local last = redis.call('GETRANGE', key, -end_digits, -1)
  local digits = bytes
  if first:byte() >= PACKED then
    local marked = hexadecimal(first)
    first = marked:gsub('^ff?', '')
    digits = DIGITS_PER_BYTE * bytes - (#marked - #first)
    first, last = first:sub(1, end_digits), hexadecimal(last):sub(-end_digits)
  end
  if is_number(first .. last) then return string.format(abbreviated_format, first, last, digits) end
end

-- Returns the cached value of an index as lists show it, or nil. Deletes foreign data in its place;
-- an empty string counts as missing.
local function cached_value(index)
  local key = whole_value_prefix .. index
  local bytes = redis.pcall('STRLEN', key)
  if bytes == 0 then return nil end
  local value
  if type(bytes) == 'number' and bytes > whole_digits then
    value = abbreviate(key, bytes)
  elseif type(bytes) == 'number' then
    local text = redis.call('GET', key)
    value = is_number(text) and text
  end
  if not value then redis.call('UNLINK', key) end
  return value
end

local function is_dead_lettered(index)
  local entry = redis.call('HGET', dead_letter_indices, index)
  if not entry then return false end
  local found = redis.pcall('XRANGE', dead_letters, entry, entry)
  if not found.err and found[1] then return true end
  redis.call('HDEL', dead_letter_indices, index)
  return false
end

local function is_undelivered_repair(job)
  local stream, entry = locate(job)
  if stream ~= STREAMS.repair then return false end
  local delivered = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  return delivered.err or #delivered == 0
end

local function is_below_capacity(class)
  return lengths[class] < max_jobs[class]
end

for position, index in ipairs(indices) do
  local field = HEADER + (position - 1) * FIELDS
  local class, _, request_id, received, committed, traceparent, seen_event =
    unpack(ARGV, field + 2, field + FIELDS)
  local listed = listed_values[position]
  if listed and listed ~= pending and not is_value(listed) then listed = nil end
  if adds_to_lists and not listed then
    listed = cached_value(index) or pending
    redis.call('HSET', values, index, listed)
  end

  local state, value, queued_job = 'queued', '', nil
  if listed and listed ~= pending and mode ~= 'recompute' then
    state, value = 'done', listed
  elseif (mode == 'backfill' or mode == 'announced') and cached_value(index) then
    state = 'done'
  elseif is_dead_lettered(index) then
    state = 'dead_lettered'
  else
    queued_job = redis.call('HGET', queued_indices, index)
    local is_replaced = queued_job and class ~= 'repair' and mode ~= 'announced'
      and is_below_capacity(class) and is_undelivered_repair(queued_job)
    if queued_job and not is_replaced then
      state = 'pending'
    elseif not is_below_capacity(class) then
      state = 'stored'
    end
  end
  if state == 'queued' then
    if queued_job then
      redis.pcall('XDEL', locate(queued_job))
      lengths.repair = lengths.repair - 1
    end
    local job = { 'index', index, 'request_id', request_id, 'received', received,
      'committed', committed, 'pushed', now }
    if traceparent ~= '' then
      job[#job + 1], job[#job + 2] = 'traceparent', traceparent
    end
    local entry = redis.call('XADD', STREAMS[class], '*', unpack(job))
    redis.call('HSET', queued_indices, index, job_id(class, entry))
    lengths[class] = lengths[class] + 1
    if mode ~= 'announced' then redis.call('PUBLISH', insert_channel, index) end
  end
  if seen_event ~= '' then events[#events + 1] = seen_event end
  outcomes[#outcomes + 1] = state
  outcomes[#outcomes + 1] = value
end

if #events > 0 then redis.call('PUBLISH', results_channel, table.concat(events, '\n')) end

-- Keep the newest values.
local excess = redis.call('ZCARD', recent_indices) - max_values
if excess > 0 then
  local oldest = redis.call('ZPOPMIN', recent_indices, excess)
  for i = 1, #oldest, 2 do redis.call('HDEL', values, oldest[i]) end
end
-- A server of the original adds fields to `values` only. Reconciliation adds the newest of these to
-- `values:recent`; the others are removed when there are too many.
if redis.call('HLEN', values) > max_values then
  for _, index in ipairs(redis.call('HKEYS', values)) do
    if not redis.call('ZSCORE', recent_indices, index) then redis.call('HDEL', values, index) end
  end
end
return {now, { lengths.small, lengths.large, lengths.repair }, outcomes}
