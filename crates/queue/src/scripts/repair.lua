-- Deletes foreign data under our keys, and queued indices without a job. A key of the wrong type,
-- or a stream that accepts no more entries, is deleted with its whole group (KEY_GROUPS). From
-- other keys only the foreign members are deleted. Afterwards the server's reconciliation rebuilds
-- the missing data from Postgres.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices, values,
--       values:recent, workers, workers:last-heartbeat
-- ARGV  clock tolerance in s
--
-- Returns the keys that needed repair, without those that were deleted only because of their group.

-- The type of each key, in the order of KEYS.
local TYPES = {
  'stream', 'stream', 'stream', 'hash', 'stream', 'hash', 'hash', 'zset', 'zset', 'string'
}
-- Keys whose contents must agree with each other, as positions in KEYS.
local KEY_GROUPS = { { 1, 2, 3, 4 }, { 5, 6 }, { 7, 8 }, { 9 }, { 10 } }
-- An entry's id starts with a 64-bit time in ms. Once a stream has had the highest possible id,
-- Redis refuses new entries. Real times are far below 2^63.
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

for _, key_group in ipairs(KEY_GROUPS) do
  for _, position in ipairs(key_group) do
    local key = KEYS[position]
    local key_type = redis.call('TYPE', key).ok
    local has_wrong_type = key_type ~= 'none' and key_type ~= TYPES[position]
    if has_wrong_type or (key_type == 'stream' and is_exhausted(key)) then
      repaired[#repaired + 1] = key
      for _, in_group in ipairs(key_group) do redis.call('UNLINK', KEYS[in_group]) end
    end
  end
end

local queued_indices, _, _, _, recent_indices, workers = unpack(KEYS, #CLASSES + 1)
local function delete_member(command, key, member)
  -- All members of one key are deleted in a row, so this adds the key once.
  if repaired[#repaired] ~= key then repaired[#repaired + 1] = key end
  redis.call(command, key, member)
end

-- Scripts add and remove a job and its queued index together. So if there are more queued indices
-- than jobs, some have lost their job. They would stay pending forever.
local job_count = 0
for _, class in ipairs(CLASSES) do job_count = job_count + redis.call('XLEN', STREAMS[class]) end
if redis.call('HLEN', queued_indices) > job_count then
  local fields = redis.call('HGETALL', queued_indices)
  for i = 1, #fields, 2 do
    local index, stream, entry = fields[i], locate(fields[i + 1])
    local found = redis.pcall('XRANGE', stream, entry, entry)
    if found.err or #found == 0 then delete_member('HDEL', queued_indices, index) end
  end
end

-- The lowest scores are evicted first, so a foreign member with a high score would stay, and real
-- indices would be evicted in its place.
for _, member in ipairs(redis.call('ZRANGE', recent_indices, 0, -1)) do
  if not member:find('^%d+$') then delete_member('ZREM', recent_indices, member) end
end

-- Heartbeats expire by age, so one from the future would stay.
local latest = redis.call('TIME')[1] + clock_tolerance
for _, name in ipairs(redis.call('ZRANGEBYSCORE', workers, latest, '+inf')) do
  delete_member('ZREM', workers, name)
end
return repaired
