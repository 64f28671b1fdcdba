-- Prepended to the scripts that work on jobs. Each class of jobs has a stream; they are KEYS 1 to
-- 3.
--
-- A job's id is the id of its stream entry; "large/" or "repair/" stands before it for those
-- classes. Small ones have no prefix: so were all jobs stored before there were classes.
local CLASSES = { 'small', 'large', 'repair' }
local STREAMS = { small = KEYS[1], large = KEYS[2], repair = KEYS[3] }

local function job_id(class, entry)
  return class == 'small' and entry or class .. '/' .. entry
end

-- The stream and the entry of a job.
local function locate(job)
  local class, entry = job:match('^(%l+)/(.*)$')
  return STREAMS[class] or STREAMS.small, entry or job
end

