-- Makes sure that indices are known to the cache and, where their value is not, that each is in the queue once.
--
-- KEYS  values, values:recent, jobs, jobs:queued, jobs:dead:indices
-- ARGV  mode, placeholder, bound of `values`, bound of the queue, channel `insert`, channel `results`, digits that
--       lists show whole, then for each index: index, submission id, request id, received µs, committed µs, event `seen` ('' for none)
--
-- mode  submit   the index was submitted: list it, queue it when its value is not known
--       ensure   it was submitted once, and its value may be missing: queue it when it is
--       adopt    an original server announced it: as ensure, without announcing it again
--       demand   its digits were asked for and are gone: queue it although lists may still show it
--
-- Returns the jobs in the queue, and for each index: state, value as lists show it ('' unless the state is done).
local values, recent, jobs, queued, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mode, placeholder, bound, room = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local insert, results = ARGV[5], ARGV[6]
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])
local waiting = redis.call('HLEN', queued)
local answer = {}

for i = 8, #ARGV, 6 do
  local index, id, request, received, committed, seen = unpack(ARGV, i, i + 5)
  local shown = redis.call('HGET', values, index)
  local state, value = 'queued', ''
  if mode == 'submit' then
    redis.call('ZADD', recent, 'GT', id, index)
    if not shown then
      local whole = redis.call('GET', 'value:' .. index)
      shown = placeholder
      if whole then
        -- As `api::abbreviate` has it; a test holds the two together.
        local long = #whole > tonumber(ARGV[7])
        shown = long and whole:sub(1, 20) .. '…' .. whole:sub(-20) .. ' (' .. #whole .. ' digits)' or whole
      end
      redis.call('HSET', values, index, shown)
    end
  end
  if shown and shown ~= placeholder and mode ~= 'demand' then
    state, value = 'done', shown
  elseif (mode == 'ensure' or mode == 'adopt') and redis.call('EXISTS', 'value:' .. index) == 1 then
    state = 'done'
  elseif redis.call('HEXISTS', dead, index) == 1 then
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
  if seen ~= '' then redis.call('PUBLISH', results, seen) end
  answer[#answer + 1] = state
  answer[#answer + 1] = value
end

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
