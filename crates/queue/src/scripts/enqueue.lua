-- Puts indices into the queue: each at most once, and only if its value is not known.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices, values,
-- values:recent ARGV  the header below, then for each index:
--       index, class, submission id, request id, received µs, committed µs, event `seen` ('' for none)
--
-- mode  submit     list it, and queue it unless its value is known
--       restore    it was submitted earlier: the same
--       backfill   it was submitted earlier: queue it if its value is missing; do not list it
--       announced  an original server announced it: queue it if its value is missing; do not list or
--                  announce it
--       recompute  its digits are requested and gone: queue it even if lists still show its value
--
-- A submission or a request for digits replaces a repair job of its index that no worker has yet,
-- if its own class is not full: a user does not wait behind repair. An announcement does not,
-- because repair jobs are announced too.
--
-- Returns the time in µs, the number of jobs of each class, and a list of state, value for each
-- index. The value is as lists show it, and '' unless the state is `done`.
local HEADER, FIELDS = 14, 7
local mode, pending, max_values, max_small, max_large, max_repair, group, insert_channel,
  results_channel, whole_value_prefix, whole_digits, end_digits, abbreviated_format,
  abbreviated_pattern = unpack(ARGV, 1, HEADER)
max_values = tonumber(max_values)
local max_jobs = {
  small = tonumber(max_small), large = tonumber(max_large), repair = tonumber(max_repair)
}
whole_digits, end_digits = tonumber(whole_digits), tonumber(end_digits)

local queued, dead, dead_indices, values, recent = unpack(KEYS, #CLASSES + 1)
-- The first byte of packed digits is at least this; each further byte has two digits (`packed.rs`).
local PACKED, DIGITS_PER_BYTE = 0xf0, 2

local time = redis.call('TIME')
-- Microseconds as text: Lua would round so large a number when it prints it.
local now = string.format('%d%06d', time[1], time[2])
local lengths = {}
for _, class in ipairs(CLASSES) do lengths[class] = redis.call('XLEN', STREAMS[class]) end
local answers, events = {}, {}

-- One command for all indices where possible: calling a command costs more than its work. Lua's
-- stack holds some thousand arguments; the producer sends hundreds at a time.
local indices, submissions = {}, {}
for i = HEADER + 1, #ARGV, FIELDS do
  indices[#indices + 1] = ARGV[i]
  submissions[#submissions + 1] = ARGV[i + 2]
  submissions[#submissions + 1] = ARGV[i]
end
local listed = redis.call('HMGET', values, unpack(indices))
local is_listed = mode == 'submit' or mode == 'restore'
if is_listed then redis.call('ZADD', recent, 'GT', unpack(submissions)) end

local function is_number(text)
  return text:find('^%d+$')
end

-- Whether lists may show it: a number, whole or abbreviated as by `contract::abbreviate` (a test
-- compares the two). Original parts share the hash, and anything else in it counts as missing.
local function is_value(text)
  return #text <= whole_digits and (is_number(text) or text:find(abbreviated_pattern))
end

local function hexadecimal(bytes)
  return (bytes:gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
end

-- Abbreviates a long value, text or packed, without reading all of it, which takes milliseconds.
-- Returns nil if its ends are not digits.
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

-- The whole value that is cached, as lists show it. Foreign data in its place is deleted; an empty
-- string does no harm.
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
  local entry = redis.call('HGET', dead_indices, index)
  if not entry then return false end
  local found = redis.pcall('XRANGE', dead, entry, entry)
  if not found.err and found[1] then return true end
  redis.call('HDEL', dead_indices, index)
  return false
end

-- Whether `job` is a repair job that was not delivered yet.
local function is_undelivered_repair(job)
  local stream, entry = locate(job)
  if stream ~= STREAMS.repair then return false end
  local delivered = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  return delivered.err or #delivered == 0
end

local function is_below_capacity(class)
  return lengths[class] < max_jobs[class]
end

for number, index in ipairs(indices) do
  local field = HEADER + (number - 1) * FIELDS
  local class, _, request_id, received, committed, seen = unpack(ARGV, field + 2, field + FIELDS)
  local shown = listed[number]
  if shown and shown ~= pending and not is_value(shown) then shown = nil end
  if is_listed and not shown then
    shown = cached_value(index) or pending
    redis.call('HSET', values, index, shown)
  end

  local state, value, queued_job = 'queued', '', nil
  if shown and shown ~= pending and mode ~= 'recompute' then
    state, value = 'done', shown
  elseif (mode == 'backfill' or mode == 'announced') and cached_value(index) then
    state = 'done'
  elseif is_dead_lettered(index) then
    state = 'dead_lettered'
  else
    queued_job = redis.call('HGET', queued, index)
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
    local entry = redis.call('XADD', STREAMS[class], '*', 'index', index, 'request_id', request_id,
      'received', received, 'committed', committed, 'pushed', now)
    redis.call('HSET', queued, index, job_id(class, entry))
    lengths[class] = lengths[class] + 1
    if mode ~= 'announced' then redis.call('PUBLISH', insert_channel, index) end
  end
  if seen ~= '' then events[#events + 1] = seen end
  answers[#answers + 1] = state
  answers[#answers + 1] = value
end

if #events > 0 then redis.call('PUBLISH', results_channel, table.concat(events, '\n')) end

-- Keep the newest values. An original server writes to `values` without `values:recent`:
-- reconciliation adds those.
local excess = redis.call('ZCARD', recent) - max_values
if excess > 0 then
  local oldest = redis.call('ZPOPMIN', recent, excess)
  for i = 1, #oldest, 2 do redis.call('HDEL', values, oldest[i]) end
end
if redis.call('HLEN', values) > max_values then
  for _, index in ipairs(redis.call('HKEYS', values)) do
    if not redis.call('ZSCORE', recent, index) then redis.call('HDEL', values, index) end
  end
end
return {now, { lengths.small, lengths.large, lengths.repair }, answers}
