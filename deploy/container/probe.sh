#!/usr/bin/env bash
# How a container of an MPI job does, for the probes of Kubernetes:  probe.sh live|ready [PORT]
# Rank 0 alone serves /healthz and /readyz. Where nobody listens at PORT (9464 unless told) the container waits for ranks or
# has other ranks than 0: it is alive, and ready, for mpirun finds only workers that are.
# Exit code: 0 yes, 1 no, 2 a mistake in the arguments.
# Environment: WEFT_PROBE_PATIENCE_S, how long an answer may take, 5 unless told; less than timeoutSeconds of the probe.
set -euo pipefail

usage="usage: probe.sh live|ready [PORT]"
[ $# -ge 1 ] && [ $# -le 2 ] || { echo "$usage" >&2; exit 2; }
port=${2:-9464}
case $1 in
  live) page=/healthz ;;
  ready) page=/readyz ;;
  *) echo "probe.sh: '$1'; live or ready was expected. $usage" >&2; exit 2 ;;
esac
[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || { echo "probe.sh: the port is '$port'; a number up to 65535 was expected" >&2; exit 2; }

# Asked by bash itself: the image needs no curl.
{ exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || exit 0
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$page" >&3
read -r -t "${WEFT_PROBE_PATIENCE_S:-5}" _ code _ <&3 || code="no answer"
[ "$code" = 200 ] && exit 0
echo "probe.sh: $page at port $port answers '$code'; 200 was expected"
exit 1
