-- Removes indices from the lists, except those that were submitted meanwhile.
--
-- KEYS  values, values:recent
-- ARGV  for each index: index, its id when it was read ('' for none)
local values, recent = unpack(KEYS)
for i = 1, #ARGV, 2 do
  local index, id = ARGV[i], ARGV[i + 1]
  local current = redis.call('ZSCORE', recent, index)
  if tonumber(id) == tonumber(current or '') then
    redis.call('ZREM', recent, index)
    redis.call('HDEL', values, index)
  end
end
