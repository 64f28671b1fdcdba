-- wrk script for `cargo xtask bench`: submits indices from 0 to 40, the highest that the Node
-- edition accepts too. Formats each request only once, so that wrk leaves CPU time to the server.
local requests = {}

function init()
  local headers = { ["Content-Type"] = "application/json" }
  for index = 0, 40 do
    requests[index] = wrk.format("POST", nil, headers, '{"index":"' .. index .. '"}')
  end
end

function request()
  return requests[math.random(0, 40)]
end
