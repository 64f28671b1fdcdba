-- Deletes foreign data under our keys. A key of another type, or a stream that accepts no more
-- entries, is deleted together with the keys that must agree with it. Otherwise only the wrong
-- members are deleted. The server's reconciliation rebuilds what is missing from Postgres.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices, values,
--       values:recent, workers, workers:last-heartbeat
-- ARGV  clock tolerance in s
--
-- Returns the keys that were deleted or had foreign members.
local TYPES = {
  'stream', 'stream', 'stream', 'hash', 'stream', 'hash', 'hash', 'zset', 'zset', 'string'
}
-- Positions in KEYS of the keys that must agree with each other.
local KEY_GROUPS = { { 1, 2, 3, 4 }, { 5, 6 }, { 7, 8 }, { 9 }, { 10 } }
-- The first part of an entry's id is a time in ms, of 64 bits. After an entry with the highest id,
-- Redis refuses to add another. No real time comes near half of it.
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

for _, positions in ipairs(KEY_GROUPS) do
  for _, position in ipairs(positions) do
    local key = KEYS[position]
    local found = redis.call('TYPE', key).ok
    local is_foreign = found ~= 'none' and found ~= TYPES[position]
    if is_foreign or (found == 'stream' and is_exhausted(key)) then
      repaired[#repaired + 1] = key
      for _, other in ipairs(positions) do redis.call('UNLINK', KEYS[other]) end
    end
  end
end

local queued_indices, _, _, _, recent_indices, workers = unpack(KEYS, #CLASSES + 1)
local function delete_member(command, key, member)
  if repaired[#repaired] ~= key then repaired[#repaired + 1] = key end
  redis.call(command, key, member)
end

-- Scripts add and remove a job and its queued index together. If there are more queued indices than
-- jobs, some have no job: they would stay pending for ever.
local jobs = 0
for _, class in ipairs(CLASSES) do jobs = jobs + redis.call('XLEN', STREAMS[class]) end
if redis.call('HLEN', queued_indices) > jobs then
  local fields = redis.call('HGETALL', queued_indices)
  for i = 1, #fields, 2 do
    local index, stream, entry = fields[i], locate(fields[i + 1])
    local found = redis.pcall('XRANGE', stream, entry, entry)
    if found.err or #found == 0 then delete_member('HDEL', queued_indices, index) end
  end
end

-- The lowest scores are evicted first: a foreign member with a high score would stay, and real
-- indices would be evicted in its place.
for _, member in ipairs(redis.call('ZRANGE', recent_indices, 0, -1)) do
  if not member:find('^%d+$') then delete_member('ZREM', recent_indices, member) end
end

-- Heartbeats expire by their age, so one from the future would stay.
local latest = redis.call('TIME')[1] + clock_tolerance
for _, name in ipairs(redis.call('ZRANGEBYSCORE', workers, latest, '+inf')) do
  delete_member('ZREM', workers, name)
end
return repaired
