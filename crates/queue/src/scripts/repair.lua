-- Deletes foreign data under our keys. Keys that are only consistent together are deleted together;
-- their content is rebuilt from Postgres, as after Redis was emptied. Where only some members are
-- wrong, only those are deleted.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices, values,
--       values:recent, workers, workers:last-heartbeat
-- ARGV  tolerance of clocks in seconds
--
-- Returns the keys that had another type or held foreign data.
local TYPES = { 'stream', 'stream', 'stream', 'hash', 'stream', 'hash', 'hash', 'zset', 'zset', 'string' }
local GROUPS = { { 1, 2, 3, 4 }, { 5, 6 }, { 7, 8 }, { 9 }, { 10 } }
-- An entry's id begins with a time in ms, and nothing can be added after an entry with the highest
-- id there is. This is half of that, and no real time.
local EXHAUSTED_MS = 2 ^ 63

local clock_tolerance = ARGV[1]
local repaired = {}

local function is_exhausted(stream)
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return tonumber(info[i + 1]:match('^%d+')) >= EXHAUSTED_MS
    end
  end
end

for _, group in ipairs(GROUPS) do
  for _, number in ipairs(group) do
    local key = KEYS[number]
    local found = redis.call('TYPE', key).ok
    local is_foreign = found ~= 'none' and found ~= TYPES[number]
    if is_foreign or (found == 'stream' and is_exhausted(key)) then
      repaired[#repaired + 1] = key
      for _, member in ipairs(group) do redis.call('UNLINK', KEYS[member]) end
    end
  end
end

local queued, _, _, _, recent, workers = unpack(KEYS, #CLASSES + 1)
local function delete_member(command, key, member)
  if repaired[#repaired] ~= key then repaired[#repaired + 1] = key end
  redis.call(command, key, member)
end

-- Scripts add and remove a job and its field together, so a surplus field is one without a job: its
-- index would stay pending for ever, and take up capacity.
local jobs = 0
for _, class in ipairs(CLASSES) do jobs = jobs + redis.call('XLEN', STREAMS[class]) end
if redis.call('HLEN', queued) > jobs then
  local fields = redis.call('HGETALL', queued)
  for i = 1, #fields, 2 do
    local index, stream, entry = fields[i], locate(fields[i + 1])
    local found = redis.pcall('XRANGE', stream, entry, entry)
    if found.err or #found == 0 then delete_member('HDEL', queued, index) end
  end
end

-- The newest members stay longest: a foreign member with a high score would evict real indices.
for _, member in ipairs(redis.call('ZRANGE', recent, 0, -1)) do
  if not member:find('^%d+$') then delete_member('ZREM', recent, member) end
end

-- A heartbeat from the future would never expire.
local latest = redis.call('TIME')[1] + clock_tolerance
for _, name in ipairs(redis.call('ZRANGEBYSCORE', workers, latest, '+inf')) do
  delete_member('ZREM', workers, name)
end
return repaired
