-- Begins the scripts that work on jobs. The queue is one stream for each class of jobs; they are the
-- first three keys of these scripts.
--
-- A job is named by its entry in the stream of small jobs, or by "<class>/<entry>" in another one.
local CLASSES = { 'small', 'large', 'repair' }
local STREAMS = { small = KEYS[1], large = KEYS[2], repair = KEYS[3] }

local function job_name(class, entry)
  return class == 'small' and entry or class .. '/' .. entry
end

-- The stream and the entry of a job.
local function locate(job)
  local class, entry = job:match('^(%l+)/(.*)$')
  return STREAMS[class] or STREAMS.small, entry or job
end

