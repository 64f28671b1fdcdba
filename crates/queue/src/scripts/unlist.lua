-- Removes entries from the lists, except those that were submitted again after they were read.
--
-- KEYS  values, values:recent
-- ARGV  for each entry: index, its id when it was read ('' for none)
local values, recent_indices = unpack(KEYS)
for i = 1, #ARGV, 2 do
  local index, id = ARGV[i], ARGV[i + 1]
  local current = redis.call('ZSCORE', recent_indices, index)
  if tonumber(id) == tonumber(current or '') then
    redis.call('ZREM', recent_indices, index)
    redis.call('HDEL', values, index)
  end
end
