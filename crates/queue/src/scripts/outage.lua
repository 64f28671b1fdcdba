-- Prepended to `heartbeat.lua` and `reclaim.lua`: an outage is not idle time of a job.
--
-- While Redis is unavailable or refuses writes, no worker can send heartbeats, and the idle times
-- of all jobs grow. When Redis's clock is set, idle times jump or stand still. Both show as a gap
-- since the last script of any worker, which is too long or negative. Idle times are reduced by
-- this gap. Otherwise jobs of live workers would be reclaimed after an outage, and jobs of dead
-- workers would not be reclaimed after the clock was set back.
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
      -- After the clock was set back, delivery times lie in the future. Redis reports them as idle
      -- time 0; it would not grow until then.
      local new_idle_ms = gap_ms < 0 and 0 or math.max(0, idle_ms - gap_ms)
      redis.call('XCLAIM', STREAMS[class], group, owner, 0, entry, 'IDLE', new_idle_ms, 'JUSTID')
    end
  end
end

