-- For wrk: sends the requests of a file one after the other, and says what came of it in one line that the harness reads.
local requests, at = {}, 0

function init(args)
  for request in io.open(args[1], 'rb'):read('*a'):gmatch('[^\30]+') do requests[#requests + 1] = request end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\nfigures %d %d %d %d %d\n', summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
