#!/usr/bin/env bash
# Runs a config on several machines that ssh reaches without a password, where there is no batch system:
#
#   launch/mpirun.sh --hosts HOSTFILE --ranks-per-node N [--network infiniband|ethernet] [--interface NAME] [--dry-run] CONFIG [options of weft run]
#
# HOSTFILE has a line for each machine, `node1 slots=4`: its name, and how many ranks it may take (its GPUs, or its NUMA domains).
# Weft, the config and the run's folder have to be there under the same path on every machine.
#   --network     how the machines reach each other; Open MPI and NCCL choose by themselves without it
#   --interface   the Ethernet interface of it, as `ip addr` names it: eth0
#   --dry-run     prints the command and starts nothing
# Environment: WEFT, the program; build/release/weft of this checkout without it. Where it is the weft.sh of a bundle
# (deploy/bundle.sh), that bundle's Open MPI is used on all machines, and WEFT_LIBTORCH has to be set. What is set of the variables
# below stays as it is.
# Exit code: that of weft or of mpirun; 2 for a mistake, in one line, before anything is started.
set -euo pipefail

usage="usage: launch/mpirun.sh --hosts HOSTFILE --ranks-per-node N [--network infiniband|ethernet] [--interface NAME] [--dry-run] CONFIG [options of weft run]"
refuse() {
  echo "mpirun.sh: $1" >&2
  exit 2
}

hosts='' ranks='' network='' interface='' dry_run=''
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --hosts=* | --ranks-per-node=* | --network=* | --interface=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
  esac
  case $1 in
    --hosts | --ranks-per-node | --network | --interface)
      [ $# -ge 2 ] || refuse "$1 has no value; $usage"
      case $1 in
        --hosts) hosts=$2 ;;
        --ranks-per-node) ranks=$2 ;;
        --network) network=$2 ;;
        --interface) interface=$2 ;;
      esac
      shift 2
      ;;
    --dry-run) dry_run=1; shift ;;
    -h | --help) echo "$usage"; exit 0 ;;
    *) arguments+=("$1"); shift ;;
  esac
done

[ ${#arguments[@]} -gt 0 ] || refuse "no config given; $usage"
config=${arguments[0]}
[ -f "$config" ] || refuse "config: there is no file $config; a YAML file was expected; check the path"
[[ $ranks =~ ^[1-9][0-9]*$ ]] || refuse "--ranks-per-node is '$ranks'; a whole number above 0 was expected; give the number of GPUs, or of NUMA domains, of a machine"
[[ $network =~ ^(infiniband|ethernet|)$ ]] || refuse "--network is '$network'; infiniband or ethernet was expected; leave it out to let Open MPI and NCCL choose"
[ -z "$interface" ] || [ -n "$network" ] || refuse "--interface is '$interface' without a --network; --network ethernet or infiniband was expected with it; add it"
[ -z "$interface" ] || [ -e "/sys/class/net/$interface" ] || refuse "--interface: this machine has no interface '$interface'; one that all machines reach each other by was expected; list them with: ip -brief link"
weft=${WEFT:-$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")/build/release/weft}
[ -x "$weft" ] || refuse "WEFT: $weft is no program; build Weft (launch/run.sh), or set WEFT to the program"
bundle=$(dirname "$(realpath "$weft")")
[ -f "$bundle/env.sh" ] && [ -x "$bundle/bin/mpirun" ] && [ -x "$bundle/bin/orted" ] || bundle=''
# shellcheck source=/dev/null
[ -z "$bundle" ] || source "$bundle/env.sh" || exit 2

[ -n "$hosts" ] || refuse "--hosts is missing; a file with a line like 'node1 slots=4' for each machine was expected; write one, or use launch/run.sh on one machine"
[ -f "$hosts" ] || refuse "--hosts: there is no file $hosts; one with a line like 'node1 slots=4' for each machine was expected; check the path"
nodes=0
number=0
while read -r name rest || [ -n "$name" ]; do
  number=$((number + 1))
  rest=${rest%%#*}
  [[ -n $name && $name != \#* ]] || continue
  place="$hosts, line $number"
  [[ " $rest" =~ \ slots=([^ ]*) ]] || refuse "$place: '$name' has no slots; a line like '$name slots=$ranks' was expected; add slots=$ranks"
  slots=${BASH_REMATCH[1]}
  [[ $slots =~ ^[1-9][0-9]*$ ]] || refuse "$place: slots is '$slots'; a whole number above 0 was expected; write slots=$ranks"
  [ "$slots" -ge "$ranks" ] || refuse "$place: $name has $slots slots for $ranks ranks; at least as many slots as ranks were expected; lower --ranks-per-node, or raise slots if the machine has as many GPUs"
  getent ahosts "$name" >/dev/null || refuse "$place: no machine is known by the name '$name'; one that this machine can resolve was expected; check it with: getent ahosts $name"
  nodes=$((nodes + 1))
done <"$hosts"
[ "$nodes" -gt 0 ] || refuse "--hosts: $hosts names no machine; a line like 'node1 slots=$ranks' for each was expected; add them"

# The ranks of a machine are shared out over its NUMA domains and each stays on its own, with the memory beside it. Which GPU a rank
# takes Weft decides itself, so that CUDA_VISIBLE_DEVICES stays as it is: ranks have to see all GPUs of a machine, or one each.
start=(mpirun --quiet --hostfile "$hosts" -n $((nodes * ranks)) --map-by "ppr:$ranks:node" --bind-to numa:overload-allowed)
if [ -n "$bundle" ]; then
  # mpirun tells the other machines OPAL_PREFIX, OPAL_LIBDIR, PATH and LD_LIBRARY_PATH; its daemon there needs the rest of env.sh too.
  agent="env"
  for name in OPAL_PKGLIBDIR OPAL_BINDIR OPAL_PKGDATADIR OPAL_SYSCONFDIR PMIX_PREFIX PMIX_PKGLIBDIR HWLOC_PLUGINS_PATH UCX_MODULE_DIR; do
    agent+=" $name=${!name}"
  done
  start+=(--prefix "$bundle" --mca orte_launch_agent "$agent orted")
fi

# export_to_ranks NAME VALUE: unless the user has set it.
export_to_ranks() {
  [ -n "${!1:-}" ] || start+=(-x "$1=$2")
}
# mpirun takes the environment to other machines only where it is told to. NCCL_IB_HCA, for one, says which InfiniBand adapters NCCL
# takes (all without it), UCX_NET_DEVICES the same of UCX; OMP_NUM_THREADS is the threads of a rank (its share of the cores without it);
# WEFT_LIBTORCH is where a bundle finds LibTorch.
for name in OMP_NUM_THREADS WEFT_LIBTORCH ${!NCCL_@} ${!UCX_@}; do
  [ -z "${!name:-}" ] || start+=(-x "$name=${!name}")
done
# NCCL says what is wrong; INFO shows which network it took.
export_to_ranks NCCL_DEBUG WARN
case $network in
  infiniband)
    # NCCL may use InfiniBand. (Where it finds no adapter it takes sockets, and says so with NCCL_DEBUG=INFO.)
    export_to_ranks NCCL_IB_DISABLE 0
    # Open MPI talks through UCX, and refuses to start where UCX is not there instead of falling back to TCP.
    start+=(--mca pml ucx)
    # InfiniBand, memory of the same machine, a rank with itself; without tcp, UCX cannot fall back to Ethernet either.
    export_to_ranks UCX_TLS rc,sm,self
    ;;
  ethernet)
    # NCCL: no adapter of InfiniBand, but sockets.
    export_to_ranks NCCL_IB_DISABLE 1
    # Open MPI: TCP between machines, memory within one.
    start+=(--mca pml ob1 --mca btl "tcp,vader,self")
    ;;
esac
if [ -n "$interface" ]; then
  # Machines often have interfaces that do not reach the others (docker0, management): NCCL, and Open MPI's ranks and its daemons,
  # are each told which one does. Over InfiniBand, too, they find each other that way.
  export_to_ranks NCCL_SOCKET_IFNAME "=$interface"
  start+=(--mca btl_tcp_if_include "${OMPI_MCA_btl_tcp_if_include:-$interface}" --mca oob_tcp_if_include "${OMPI_MCA_oob_tcp_if_include:-$interface}")
fi

command=("${start[@]}" "$weft" run "${arguments[@]}")
if [ -n "$dry_run" ]; then
  [ -z "$bundle" ] || printf '. %q && ' "$bundle/env.sh"
  printf '%q ' "${command[@]}"
  echo
  exit 0
fi
exec "${command[@]}"
