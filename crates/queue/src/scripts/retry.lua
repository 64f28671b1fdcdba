-- Deletes the dead letters of indices, so that they may be queued again.
--
-- KEYS  jobs:dead, jobs:dead:indices
-- ARGV  indices
--
-- Returns those that had one.
local dead, dead_indices = unpack(KEYS)
local found = {}
for _, index in ipairs(ARGV) do
  local entry = redis.call('HGET', dead_indices, index)
  if entry then
    found[#found + 1] = index
    redis.call('HDEL', dead_indices, index)
    redis.pcall('XDEL', dead, entry)
  end
end
return found
