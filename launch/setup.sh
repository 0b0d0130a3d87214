# shellcheck shell=bash
# Sourced by run.sh and test.sh: installs, configures and builds what is not there yet. Sets `root` and `build`.
# Usage: source setup.sh TARGET

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/release
export WEFT_LIBTORCH=${WEFT_LIBTORCH:-${XDG_CACHE_HOME:-$HOME/.cache}/weft/libtorch-2.11.0}
WEFT_LIBTORCH=$(realpath -m "$WEFT_LIBTORCH")

# Runs a command and shows what it printed only if it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$status"
}

configured() {
  [ -f "$build/build.ninja" ] &&
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$build/CMakeCache.txt" &&
    grep -qxF "WEFT_LIBTORCH:PATH=$WEFT_LIBTORCH" "$build/CMakeCache.txt"
}

"$root/deploy/install-dependencies.sh"

if ! configured; then
  echo "setup: configuring into build/release"
  rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles"
  said=$(cd "$root" && cmake --preset release -DWEFT_LIBTORCH="$WEFT_LIBTORCH" 2>&1) || { echo "$said" >&2; exit 1; }
  # "not found: nvcc", or NCCL, or a LibTorch with CUDA
  sed -n 's/^-- \(A CPU-only build; .*\)/setup: \1/p' <<<"$said"
fi

# With nothing to do, ninja is done in half a second; what it is about to do is said only where it takes longer.
[ -e "$build/.built-$1" ] || echo "setup: building (a few minutes the first time)"
quietly ninja -C "$build" "$1"
touch "$build/.built-$1"

# OpenMPI refuses root and more ranks than cores unless told otherwise; both are normal in containers and on laptops.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
