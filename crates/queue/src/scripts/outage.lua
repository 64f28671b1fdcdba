-- Begins `heartbeat.lua` and `reclaim.lua`: an outage is not idle time of a job.
--
-- While Redis does not answer or refuses writes, no worker can send heartbeats, and when its clock
-- is set, idle times jump or stand still. Both show as a gap since any worker's last script, which
-- is subtracted from idle times: otherwise every job would be reclaimed from a live worker
-- afterwards, or none from a dead one.
local function subtract_outage(group, last_heartbeat, max_gap_ms)
  local MS_PER_SECOND, US_PER_MS, MAX_JOBS = 1000, 1000, 10000
  local time = redis.call('TIME')
  local now_ms = time[1] * MS_PER_SECOND + math.floor(time[2] / US_PER_MS)
  local last_ms = redis.call('SET', last_heartbeat, string.format('%d', now_ms), 'GET')
  local gap_ms = now_ms - (tonumber(last_ms or now_ms) or now_ms)
  if gap_ms >= 0 and gap_ms <= max_gap_ms then return end

  for _, class in ipairs(CLASSES) do
    local pending = redis.pcall('XPENDING', STREAMS[class], group, '-', '+', MAX_JOBS)
    for _, job in ipairs(pending.err and {} or pending) do
      local entry, owner, idle_ms = unpack(job)
      -- Redis reports idle time 0 for a delivery time in the future.
      local rest_ms = gap_ms < 0 and 0 or math.max(0, idle_ms - gap_ms)
      redis.call('XCLAIM', STREAMS[class], group, owner, 0, entry, 'IDLE', rest_ms, 'JUSTID')
    end
  end
end

