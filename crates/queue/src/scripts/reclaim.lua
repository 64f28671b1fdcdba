-- Claims jobs that have been idle for too long, and dead-letters those that were delivered too
-- often.
--
-- KEYS  jobs, jobs:large, jobs:repair, jobs:queued, jobs:dead, jobs:dead:indices,
--       workers:last-heartbeat
-- ARGV  the list below; the last two limit what a dead letter keeps of a job
--
-- Returns the claimed and the dead-lettered jobs, each as {id, fields}.
local group, consumer, min_idle_ms, max_gap_ms, max_deliveries, max_jobs, max_dead_letters,
  max_fields, max_field_bytes = unpack(ARGV)
max_deliveries, max_jobs = tonumber(max_deliveries), tonumber(max_jobs)
max_dead_letters = tonumber(max_dead_letters)
max_fields, max_field_bytes = tonumber(max_fields), tonumber(max_field_bytes)

local queued_indices, dead_letters, dead_letter_indices, last_heartbeat =
  unpack(KEYS, #CLASSES + 1)
subtract_outage(group, last_heartbeat, tonumber(max_gap_ms))
local claimed, dead_lettered = {}, {}

-- Deletes the oldest dead letter. Its index may be queued again.
local function delete_oldest_dead_letter()
  local entry, fields = unpack(redis.call('XRANGE', dead_letters, '-', '+', 'COUNT', 1)[1])
  redis.call('XDEL', dead_letters, entry)
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'index' and redis.call('HGET', dead_letter_indices, value) == entry then
      redis.call('HDEL', dead_letter_indices, value)
    end
  end
end

local function dead_letter(id, fields, deliveries)
  local kept, index = {}, nil
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'index' and value:find('^%d+$') then index = value:sub(1, max_field_bytes) end
    -- A foreign entry may have any size. Keep enough of it to identify it.
    if #kept < 2 * max_fields then
      kept[i], kept[i + 1] = name:sub(1, max_field_bytes), value:sub(1, max_field_bytes)
    end
  end
  local dead_entry = redis.call('XADD', dead_letters, '*', 'deliveries', deliveries, unpack(kept))
  local stream, entry = locate(id)
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  if index then
    redis.call('HSET', dead_letter_indices, index, dead_entry)
    if redis.call('HGET', queued_indices, index) == id then
      redis.call('HDEL', queued_indices, index)
    end
  end
  while redis.call('XLEN', dead_letters) > max_dead_letters do delete_oldest_dead_letter() end
end

local function reclaim(class, pending)
  local stream = STREAMS[class]
  local entry, _, _, deliveries = unpack(pending)
  local job = redis.call('XRANGE', stream, entry, entry)[1]
  if not job then
    redis.call('XACK', stream, group, entry)
    return
  end
  local id, fields = job_id(class, entry), job[2]
  if deliveries >= max_deliveries then
    dead_letter(id, fields, deliveries)
    dead_lettered[#dead_lettered + 1] = { id, fields }
  elseif redis.call('XCLAIM', stream, group, consumer, min_idle_ms, entry)[1] then
    claimed[#claimed + 1] = { id, fields }
  end
end

for _, class in ipairs(CLASSES) do
  local count = max_jobs - #claimed - #dead_lettered
  if count > 0 then
    local idle = redis.call('XPENDING', STREAMS[class], group, 'IDLE', min_idle_ms, '-', '+', count)
    for _, pending in ipairs(idle) do reclaim(class, pending) end
  end
end
return {claimed, dead_lettered}
