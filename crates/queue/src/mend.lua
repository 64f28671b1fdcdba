-- Makes room where something else stands under one of our names. Two keys that are only right together go together; what
-- was in them is made anew from Postgres, as after Redis was emptied.
--
-- KEYS  values, values:recent, jobs, jobs:queued, jobs:dead, jobs:dead:indices, workers
--
-- Returns: the keys that were of another type.
local types = { 'hash', 'zset', 'stream', 'hash', 'stream', 'hash', 'zset' }
local together = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7 } }
local wrong = {}
for _, group in ipairs(together) do
  for _, number in ipairs(group) do
    local found = redis.call('TYPE', KEYS[number]).ok
    if found ~= 'none' and found ~= types[number] then
      wrong[#wrong + 1] = KEYS[number]
      for _, member in ipairs(group) do
        redis.call('UNLINK', KEYS[member])
      end
    end
  end
end
return wrong
