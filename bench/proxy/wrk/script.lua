-- Prints what wrk found as one line of JSON, times in microseconds. There is no
-- function that runs for each request, which would cost the load its speed.
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"bytes":%d,"took":%d,"p50":%.1f,"p99":%.1f,"failed":%d}\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
