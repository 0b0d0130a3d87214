#!/usr/bin/env bash
# Builds Weft and its tests if need be and runs them all:  launch/test.sh [options of ctest]
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" all
cd "$build"
exec ctest --output-on-failure "$@"
