#!/usr/bin/env bash
# Builds Weft if need be and runs a config:  launch/run.sh CONFIG [--ranks N] [options of weft run]
set -euo pipefail

usage() {
  echo "usage: launch/run.sh CONFIG [--ranks N] [options of weft run, see build/release/weft run --help]" >&2
  exit 2
}

[ $# -ge 1 ] || usage
ranks=1
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --ranks) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage; ranks=$2; shift 2 ;;
    --ranks=*) ranks=${1#--ranks=}; [[ $ranks =~ ^[1-9][0-9]*$ ]] || usage; shift ;;
    -h | --help) usage ;;
    *) arguments+=("$1"); shift ;;
  esac
done

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" weft
if [ "$ranks" -eq 1 ]; then
  exec "$build/weft" run "${arguments[@]}"
fi
exec mpirun --quiet -n "$ranks" "$build/weft" run "${arguments[@]}"
