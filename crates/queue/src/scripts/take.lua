-- Delivers new jobs of the first class that has any.
--
-- KEYS  jobs, jobs:large, jobs:repair
-- ARGV  group, consumer, then in order of preference: class, maximum number of its jobs
--
-- Returns the jobs, each as {id, fields}.
local HEADER, FIELDS = 2, 2
local group, consumer = unpack(ARGV, 1, HEADER)
for i = HEADER + 1, #ARGV, FIELDS do
  local class, count = ARGV[i], ARGV[i + 1]
  local delivered = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count,
    'STREAMS', STREAMS[class], '>')
  if delivered then
    local jobs = delivered[1][2]
    for _, job in ipairs(jobs) do job[1] = job_id(class, job[1]) end
    return jobs
  end
end
return {}
