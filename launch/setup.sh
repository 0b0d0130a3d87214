# Sourced by run.sh and test.sh: installs, configures and builds what is not there yet. Sets `build`.
# Usage: source setup.sh TARGET...

readonly root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly build=$root/build/release

"$root/deploy/install-dependencies.sh"

if [ ! -f "$build/build.ninja" ]; then
  command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || echo "setup: nvcc is not here: a CPU-only build"
  echo "setup: configuring into build/release"
  (cd "$root" && cmake --preset release >"$root/configure.log" 2>&1) || { cat "$root/configure.log" >&2; exit 1; }
  rm "$root/configure.log"
fi

# Ninja says "no work to do" where that is so; its output is shown only when it fails.
if ! ninja -C "$build" -n "$@" | grep -q 'no work to do'; then
  echo "setup: building $* (a few minutes the first time)"
  log=$(mktemp)
  ninja -C "$build" "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  rm "$log"
fi

# OpenMPI refuses root and more ranks than cores unless told otherwise; both are normal in containers and on laptops.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
