#!/usr/bin/env bash
# Builds Weft if need be and runs a config:  launch/run.sh CONFIG [--ranks N] [options of weft run]
set -euo pipefail

usage="usage: launch/run.sh CONFIG [--ranks N] [options of weft run: see build/release/weft run --help]"
refuse() {
  echo "run.sh: $1" >&2
  echo "$usage" >&2
  exit 2
}

ranks=1
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --ranks) ranks=${2:-}; shift 2 || refuse "--ranks needs a number" ;;
    --ranks=*) ranks=${1#--ranks=}; shift ;;
    -h | --help) echo "$usage"; exit 0 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
[[ $ranks =~ ^[1-9][0-9]*$ ]] || refuse "--ranks is '$ranks'; a whole number above 0 was expected"
[ ${#arguments[@]} -gt 0 ] || refuse "no config given"
[[ ${arguments[0]} == -* || -f ${arguments[0]} ]] || refuse "there is no file ${arguments[0]}"

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" weft
if [ "$ranks" -eq 1 ]; then
  exec "$build/weft" run "${arguments[@]}"
fi
exec mpirun --quiet -n "$ranks" "$build/weft" run "${arguments[@]}"
