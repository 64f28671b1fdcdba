-- Deletes dead letters, so that their indices may be queued again.
--
-- KEYS  jobs:dead, jobs:dead:indices
-- ARGV  indices; none to delete all dead letters, including those without an index
--
-- Returns the indices that had a dead letter; without arguments, the number of dead letters.
local dead_letters, dead_letter_indices = unpack(KEYS)
if #ARGV == 0 then
  local count = redis.call('XLEN', dead_letters)
  redis.call('UNLINK', dead_letters, dead_letter_indices)
  return count
end
local found = {}
for _, index in ipairs(ARGV) do
  local entry = redis.call('HGET', dead_letter_indices, index)
  if entry then
    found[#found + 1] = index
    redis.call('HDEL', dead_letter_indices, index)
    redis.pcall('XDEL', dead_letters, entry)
  end
end
return found
