-- Deletes dead letters, so that their indices may be queued again.
--
-- KEYS  jobs:dead, jobs:dead:indices
-- ARGV  indices; none for all dead letters, also those without an index
--
-- Returns the indices that had a dead letter, or the number of all dead letters.
local dead, dead_indices = unpack(KEYS)
if #ARGV == 0 then
  local letters = redis.call('XLEN', dead)
  redis.call('UNLINK', dead, dead_indices)
  return letters
end
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
