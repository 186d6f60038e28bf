#!/usr/bin/env bash
# --config=tsan reports what races, and nothing that Abseil's locks order.
set -euo pipefail

readonly probe=$PWD/tests/sanitizer/lock_probe
readonly wrong=(no_lock two_locks write_under_reader_lock write_after_notify)
readonly right=(locked read_under_reader_lock awaited signalled notified
  counted short_lived shared_status)
# What ThreadSanitizer makes of a report.
readonly reported=66

failed=0

# expect CODE CASE: how the probe must end.
expect() {
  local code=0 output
  output=$("$probe" "$2" 2>&1) || code=$?
  if ((code == $1)); then
    echo "ok $2"
  else
    failed=1
    printf 'FAILED %s: ended with %s, not with %s\n%s\n' "$2" "$code" "$1" \
      "$output"
  fi
}

for name in "${wrong[@]}"; do expect "$reported" "$name"; done
for name in "${right[@]}"; do expect 0 "$name"; done
exit "$failed"
