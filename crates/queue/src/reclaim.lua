-- Takes over jobs whose worker fell silent, and gives up those that were delivered too often.
--
-- KEYS  jobs, jobs:queued, jobs:dead, jobs:dead:indices
-- ARGV  group, consumer, silence in ms, deliveries at most, jobs at most, dead letters at most
--
-- Returns the jobs taken over and the jobs given up, each as {entry, fields}.
local jobs, queued, dead, indices = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, consumer, silence, deliveries, most, letters = unpack(ARGV)
local taken, buried = {}, {}
local FIELDS, LONG = 16, 256

for _, pending in ipairs(redis.call('XPENDING', jobs, group, 'IDLE', silence, '-', '+', most)) do
  local entry, delivered = pending[1], pending[4]
  local found = redis.call('XRANGE', jobs, entry, entry)[1]
  if not found then
    redis.call('XACK', jobs, group, entry)
  elseif delivered >= tonumber(deliveries) then
    local fields, letter, index = found[2], {}, nil
    for i = 1, #fields, 2 do
      if fields[i] == 'index' and fields[i + 1]:find('^%d+$') then index = fields[i + 1]:sub(1, LONG) end
      -- An entry that is not ours may be of any size. Enough of it is kept to see what it was.
      if i < 2 * FIELDS then
        letter[i], letter[i + 1] = fields[i]:sub(1, LONG), fields[i + 1]:sub(1, LONG)
      end
    end
    local at = redis.call('XADD', dead, '*', 'deliveries', delivered, unpack(letter))
    redis.call('XACK', jobs, group, entry)
    redis.call('XDEL', jobs, entry)
    if index then
      redis.call('HSET', indices, index, at)
      if redis.call('HGET', queued, index) == entry then redis.call('HDEL', queued, index) end
    end
    buried[#buried + 1] = found
    -- The oldest make room, and their indices may be tried again.
    while redis.call('XLEN', dead) > tonumber(letters) do
      local oldest = redis.call('XRANGE', dead, '-', '+', 'COUNT', 1)[1]
      redis.call('XDEL', dead, oldest[1])
      for i = 1, #oldest[2], 2 do
        local name, value = oldest[2][i], oldest[2][i + 1]
        if name == 'index' and redis.call('HGET', indices, value) == oldest[1] then redis.call('HDEL', indices, value) end
      end
    end
  else
    local claimed = redis.call('XCLAIM', jobs, group, consumer, silence, entry)
    if claimed[1] then taken[#taken + 1] = claimed[1] end
  end
end
return {taken, buried}
