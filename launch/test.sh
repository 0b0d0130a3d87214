#!/usr/bin/env bash
# Builds Weft and its tests if need be and runs them all:  launch/test.sh [options of ctest]
# Without options, the unit tests are then built and run with sanitizers too, each in a build folder of its own.
# At the end it names what was skipped, and why. Exit code: not 0 where a test failed.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" all
"$root/deploy/install-test-servers.sh"
log=Testing/Temporary/LastTest.log
status=0

# A test that skips itself prints "skipped: reason" and nothing else.
name_the_skipped() {
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
}

# test_sanitized PRESET: its build and its tests, as CMakePresets.json has them.
test_sanitized() {
  echo "test: building for sanitizers, into build/$1"
  cd "$root"
  quietly cmake --preset "$1" -DWEFT_LIBTORCH="$WEFT_LIBTORCH"
  quietly cmake --build --preset "$1"
  ctest --preset "$1" --parallel "$(nproc)" || status=$?
}

cd "$build"
rm -f "$log"
ctest --output-on-failure --parallel "$(nproc)" "$@" || status=$?
skipped=$(name_the_skipped)
done="test: run were the tests that the options name; without options, those with sanitizers too"
if [ $# -eq 0 ]; then
  test_sanitized sanitize
  test_sanitized tsan
  done="test: run were all tests; the unit tests with the address and undefined-behaviour sanitizers, and those of threads with the thread sanitizer, too"
fi

echo "$done"
[ -z "$skipped" ] || echo "$skipped"
[ -f "$build/libweft_cuda.so" ] || echo "test: this build is without CUDA (there is no libweft_cuda.so); what needs it was not tested"
exit "$status"
