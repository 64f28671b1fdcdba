-- Makes room where something else stands under one of our names. Two keys that are only right together go together; what
-- was in them is made anew from Postgres, as after Redis was emptied. Where only members are wrong, they alone go.
--
-- KEYS  values, values:recent, jobs, jobs:queued, jobs:dead, jobs:dead:indices, workers
--
-- Returns: the keys that were of another type or held something else.
local types = { 'hash', 'zset', 'stream', 'hash', 'stream', 'hash', 'zset' }
local together = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7 } }
local wrong = {}

-- After the highest id that there can be, nothing can be added.
local function is_used_up(stream)
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(info[i + 1]:match('^%d+')) >= 2 ^ 63 end
  end
end

for _, group in ipairs(together) do
  for _, number in ipairs(group) do
    local found = redis.call('TYPE', KEYS[number]).ok
    if (found ~= 'none' and found ~= types[number]) or (found == 'stream' and is_used_up(KEYS[number])) then
      wrong[#wrong + 1] = KEYS[number]
      for _, member in ipairs(group) do
        redis.call('UNLINK', KEYS[member])
      end
    end
  end
end

local recent, jobs, queued, workers = KEYS[2], KEYS[3], KEYS[4], KEYS[7]
local function drop(command, key, member)
  if wrong[#wrong] ~= key then wrong[#wrong + 1] = key end
  redis.call(command, key, member)
end

-- Scripts add and remove both at once, so a field too many is one whose job is not there: its index would wait for ever,
-- and take up room.
if redis.call('HLEN', queued) > redis.call('XLEN', jobs) then
  local fields = redis.call('HGETALL', queued)
  for i = 1, #fields, 2 do
    local found = redis.pcall('XRANGE', jobs, fields[i + 1], fields[i + 1])
    if found.err or #found == 0 then drop('HDEL', queued, fields[i]) end
  end
end

-- The newest stay longest: a stranger with a high score would hide the indices that it makes drop out.
for _, member in ipairs(redis.call('ZRANGE', recent, 0, -1)) do
  if not member:find('^%d+$') then drop('ZREM', recent, member) end
end

-- A sign of life from the future would never be too old.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', workers, redis.call('TIME')[1] + 1, '+inf')) do
  drop('ZREM', workers, name)
end
return wrong
