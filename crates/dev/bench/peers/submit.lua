-- wrk's part of `cargo xtask bench`: submissions of indices that the original takes too, 0 to 40.
-- Each request is put together once, so that the machine's time goes to who answers.
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
