-- One thread is one connection and one user: `lines` holds one line a user, its token and what else the script needs.
local lines, taken = {}, 0
for line in io.lines(os.getenv("USERS")) do lines[#lines + 1] = line end

function setup(thread)
  taken = taken + 1
  thread:set("user", lines[(taken - 1) % #lines + 1])
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%f,"errors":%d,"p50":%f,"p99":%f}\n', summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
