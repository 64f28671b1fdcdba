-- wrk's part of `cargo xtask bench`: submissions of indices that the original takes too, 0 to 40.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  return wrk.format(nil, nil, nil, '{"index":"' .. math.random(0, 40) .. '"}')
end
