#!/usr/bin/env bash
# Builds Weft and its tests if need be and runs them all:  launch/test.sh [options of ctest]
# At the end it names what was skipped, and why. Exit code: that of ctest.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" all
cd "$build"
log=Testing/Temporary/LastTest.log
rm -f "$log"
status=0
ctest --output-on-failure "$@" || status=$?

# A test that skips itself prints "skipped: reason" and nothing else.
[ ! -f "$log" ] || awk '
  /^ *[0-9]+\/[0-9]+ Test: / {test = $3}
  /^skipped: / {
    reason = substr($0, 10)
    if (!(reason in names)) reasons[++count] = reason
    names[reason] = names[reason] " " test
    ++tests[reason]
  }
  END {
    for (k = 1; k <= count; ++k) printf "test: %d skipped, %s:%s\n", tests[reasons[k]], reasons[k], names[reasons[k]]
  }' "$log"
[ -f libweft_cuda.so ] || echo "test: this build is without CUDA (there is no libweft_cuda.so); what needs it was not tested"
exit "$status"
