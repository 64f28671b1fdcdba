-- Makes sure that indices are known to the cache and, where their value is not, that each is in the queue once.
--
-- KEYS  values, values:recent, jobs, jobs:queued, jobs:dead, jobs:dead:indices
-- ARGV  mode, placeholder, bound of `values`, bound of the queue, channel `insert`, channel `results`, digits that
--       lists show whole, then for each index: index, submission id, request id, received µs, committed µs, event `seen` ('' for none)
--
-- mode  submit   the index was submitted: list it, queue it when its value is not known
--       ensure   it was submitted once, and its value may be missing: queue it when it is
--       adopt    an original server announced it: as ensure, without announcing it again
--       demand   its digits were asked for and are gone: queue it although lists may still show it
--
-- Returns the jobs in the queue, and for each index: state, value as lists show it ('' unless the state is done).
local values, recent, jobs, queued, dead, indices = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local mode, placeholder, bound, room = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local insert, results, digits = ARGV[5], ARGV[6], tonumber(ARGV[7])
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])
local waiting = redis.call('HLEN', queued)
local answer, announced = {}, {}

-- One command for all of them where one does: a command costs more than what it does here. Lua's stack has room for some
-- thousand arguments; the producer sends hundreds at a time.
local named, newest = {}, {}
for i = 8, #ARGV, 6 do
  named[#named + 1] = ARGV[i]
  newest[#newest + 1] = ARGV[i + 1]
  newest[#newest + 1] = ARGV[i]
end
local listed = redis.call('HMGET', values, unpack(named))
if mode == 'submit' then redis.call('ZADD', recent, 'GT', unpack(newest)) end

-- Whether lists may show it: a number, whole or by its ends as `api::abbreviate` has it (a test holds the two together).
-- The hash is shared with original parts, and anything else in it is as good as nothing.
local function is_value(shown)
  return #shown <= digits and (shown:find('^%d+$') or shown:find('^%d+…%d+ %(%d+ digits%)$'))
end

local function hexadecimal(bytes)
  return (bytes:gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
end

-- What lists show for many digits, be they text or packed (see `packed.rs`): not read whole, which takes milliseconds.
local function ends(key, length)
  local first, last = redis.call('GETRANGE', key, 0, 19), redis.call('GETRANGE', key, -20, -1)
  local count = length
  if first:byte() >= 0xf0 then
    local marked = hexadecimal(first)
    first = marked:gsub('^ff?', '')
    count = 2 * length - (#marked - #first)
    first, last = first:sub(1, 20), hexadecimal(last):sub(-20)
  end
  return first .. '…' .. last .. ' (' .. count .. ' digits)'
end

-- What lists show for the whole digits that are kept. What stands there and is not ours makes room; an empty string needs none.
local function kept(index)
  local key = 'value:' .. index
  local length = redis.pcall('STRLEN', key)
  if length == 0 then return nil end
  if type(length) == 'number' then
    local shown = length > digits and ends(key, length) or redis.call('GET', key)
    if is_value(shown) then return shown end
  end
  redis.call('UNLINK', key)
  return nil
end

local function is_given_up(index)
  local letter = redis.call('HGET', indices, index)
  if not letter then return false end
  local found = redis.pcall('XRANGE', dead, letter, letter)
  if not found.err and found[1] then return true end
  redis.call('HDEL', indices, index)
  return false
end

for i = 8, #ARGV, 6 do
  local index, request, received, committed, seen = ARGV[i], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local shown = listed[(i - 2) / 6]
  if shown and shown ~= placeholder and not is_value(shown) then shown = nil end
  local state, value = 'queued', ''
  if mode == 'submit' and not shown then
    shown = kept(index) or placeholder
    redis.call('HSET', values, index, shown)
  end
  if shown and shown ~= placeholder and mode ~= 'demand' then
    state, value = 'done', shown
  elseif (mode == 'ensure' or mode == 'adopt') and kept(index) then
    state = 'done'
  elseif is_given_up(index) then
    state = 'failed'
  elseif redis.call('HEXISTS', queued, index) == 1 then
    state = 'pending'
  elseif waiting >= room then
    state = 'stored'
  else
    local entry = redis.call('XADD', jobs, '*', 'index', index, 'request_id', request,
      'received', received, 'committed', committed, 'pushed', now)
    redis.call('HSET', queued, index, entry)
    waiting = waiting + 1
    if mode ~= 'adopt' then redis.call('PUBLISH', insert, index) end
  end
  if seen ~= '' then announced[#announced + 1] = seen end
  answer[#answer + 1] = state
  answer[#answer + 1] = value
end

if #announced > 0 then redis.call('PUBLISH', results, table.concat(announced, '\n')) end

-- Keep the newest. An original server writes to `values` without `values:recent`: reconciliation adds those.
local excess = redis.call('ZCARD', recent) - bound
if excess > 0 then
  local old = redis.call('ZPOPMIN', recent, excess)
  for i = 1, #old, 2 do redis.call('HDEL', values, old[i]) end
end
if redis.call('HLEN', values) > bound then
  for _, index in ipairs(redis.call('HKEYS', values)) do
    if not redis.call('ZSCORE', recent, index) then redis.call('HDEL', values, index) end
  end
end
return {waiting, answer}
