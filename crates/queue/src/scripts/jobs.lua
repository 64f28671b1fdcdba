-- Prepended to the scripts that work on jobs. KEYS[1] to KEYS[3] are the streams of the classes.
--
-- A job's id is the id of its stream entry, with the prefix "large/" or "repair/" for those
-- classes. Small jobs have no prefix, like all jobs that were stored before there were classes.
local CLASSES = { 'small', 'large', 'repair' }
local STREAMS = { small = KEYS[1], large = KEYS[2], repair = KEYS[3] }

local function job_id(class, entry)
  return class == 'small' and entry or class .. '/' .. entry
end

-- Returns the stream and the entry of a job.
local function locate(job)
  local class, entry = job:match('^(%l+)/(.*)$')
  return STREAMS[class] or STREAMS.small, entry or job
end

