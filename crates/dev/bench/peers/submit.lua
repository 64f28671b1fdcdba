-- wrk's script for `cargo xtask bench`: submits indices that the original accepts too, 0 to 40.
-- Each request is formatted once, so that wrk takes little processor time from the server.
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
