#!/usr/bin/env bash
# Packs Weft into one folder, for clusters where nothing can be installed:  deploy/bundle.sh FOLDER [BUILD]
# FOLDER, which must not exist yet, gets the programs, Open MPI and the small shared libraries that they need. It can be moved
# anywhere; what has to be there is glibc as new as this machine's, LibTorch's folder (named by WEFT_LIBTORCH) and, for GPUs,
# CUDA 13, cuDNN 9, NCCL and a driver. FOLDER/weft.sh is `weft`; FOLDER/env.sh, sourced, sets up a shell in which mpirun finds it too.
# BUILD is a folder that Weft was built in; without it, build/release, which is built first.
set -euo pipefail

usage="usage: deploy/bundle.sh FOLDER [BUILD]"
[ $# -ge 1 ] && [ $# -le 2 ] || { echo "$usage" >&2; exit 2; }
folder=$(realpath -m "$1")
[ ! -e "$folder" ] || { echo "bundle.sh: $folder is there already; name a new folder" >&2; exit 2; }
if [ $# -eq 2 ]; then
  build=$(realpath "$2")
else
  source "$(dirname "${BASH_SOURCE[0]}")/../launch/setup.sh" all
fi
[ -x "$build/weft" ] || { echo "bundle.sh: there is no weft in $build; build it first" >&2; exit 2; }

mkdir -p "$folder/bin" "$folder/lib/openmpi" "$folder/share"
trap '[ $? -eq 0 ] || rm -rf "$folder"' EXIT

for program in weft weft_benchmark; do
  [ ! -x "$build/$program" ] || cp "$build/$program" "$folder/bin/"
done
[ ! -f "$build/libweft_cuda.so" ] || cp "$build/libweft_cuda.so" "$folder/lib/"

# Open MPI: what starts the ranks, its plugins and its messages.
ompi_folder() { ompi_info --path "$1" --parsable | cut -d: -f3; }
for program in mpirun orted; do
  cp -L "$(command -v "$program")" "$folder/bin/"
done
cp -L "$(ompi_folder pkglibdir)"/mca_*.so "$folder/lib/openmpi/"
cp -rL "$(ompi_folder pkgdatadir)" "$folder/share/openmpi"
# PMIx, by which the ranks find each other, and UCX, by which they talk, have plugins of their own.
folder_of() { ldd "$folder"/lib/openmpi/*.so 2>/dev/null | awk -v name="$1" 'index($1, name) == 1 {print $3; exit}' | xargs -r realpath | xargs -r dirname; }
copy_plugins() {  # FOLDER NAMES...: those that are there
  local to=$1 plugin
  shift
  mkdir -p "$to"
  for plugin in "$@"; do
    [ ! -e "$plugin" ] || cp -L "$plugin" "$to/"
  done
}
copy_plugins "$folder/lib/pmix" "$(folder_of libpmix.so)"/pmix/*mca_*.so
copy_plugins "$folder/lib/ucx" "$(folder_of libuct.so)"/ucx/*.so.0

# The loader's list of what is needed, but for glibc, the driver, LibTorch and CUDA, which the machine has to have.
small_libraries() {
  ldd "$folder"/bin/* $(find "$folder/lib" -name '*.so*') 2>/dev/null |
    awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | sort -u |
    grep -vE '^(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|util|anl|resolv|nsl|BrokenLocale|thread_db|mvec)|libnss_.*)\.so' |
    grep -vE '^lib(cuda|cudart|cupti|cu(blas|blasLt|dnn|fft|file|rand|solver|sparse|sparseLt)[A-Za-z_]*|nccl|nv[A-Za-z_]+)\.so' |
    grep -vE '^lib(torch[a-z_]*|c10[a-z_]*|caffe2_nvrtc|shm|gomp)[-.0-9a-z]*\.so' |
    cut -d' ' -f2
}
for library in $(small_libraries); do
  [ -e "$folder/lib/$(basename "$library")" ] || cp -L "$library" "$folder/lib/"
done

cat >"$folder/env.sh" <<'ENV'
# Sourced by bash, or by weft.sh: sets up what is in this folder. WEFT_LIBTORCH names the folder that holds torch/.
if [ -z "${WEFT_LIBTORCH:-}" ] || [ ! -f "$WEFT_LIBTORCH/torch/lib/libtorch_cpu.so" ]; then
  echo "weft: WEFT_LIBTORCH is '${WEFT_LIBTORCH:-}'; the folder that holds torch/ of LibTorch was expected" >&2
  return 2
fi
[ -z "${BASH_SOURCE:-}" ] || WEFT_BUNDLE=$(cd "$(dirname "$BASH_SOURCE")" && pwd)
export WEFT_BUNDLE
export PATH="$WEFT_BUNDLE/bin${PATH:+:$PATH}"
LD_LIBRARY_PATH="$WEFT_BUNDLE/lib:$WEFT_LIBTORCH/torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
for weft_folder in "$WEFT_LIBTORCH"/nvidia/*/lib; do
  LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$weft_folder"
done
unset weft_folder
export LD_LIBRARY_PATH
# Where Open MPI, PMIx, hwloc and UCX were built to look is another machine's. hwloc does without plugins.
export OPAL_PREFIX="$WEFT_BUNDLE" OPAL_LIBDIR="$WEFT_BUNDLE/lib" OPAL_PKGLIBDIR="$WEFT_BUNDLE/lib/openmpi"
export OPAL_BINDIR="$WEFT_BUNDLE/bin" OPAL_PKGDATADIR="$WEFT_BUNDLE/share/openmpi" OPAL_SYSCONFDIR="$WEFT_BUNDLE/etc"
export PMIX_PREFIX="$WEFT_BUNDLE" PMIX_PKGLIBDIR="$WEFT_BUNDLE/lib/pmix" HWLOC_PLUGINS_PATH="$WEFT_BUNDLE/lib/hwloc" UCX_MODULE_DIR="$WEFT_BUNDLE/lib/ucx"
ENV

cat >"$folder/weft.sh" <<'LAUNCHER'
#!/bin/sh
# `weft` of this folder, wherever it lies:  WEFT_LIBTORCH=/path/to/libtorch weft.sh run CONFIG
# Of several ranks each is one weft.sh:  srun weft.sh run CONFIG, or env.sh sourced, mpirun -n 4 weft run CONFIG
WEFT_BUNDLE=$(cd "${0%/*}" && pwd) || exit 2
. "$WEFT_BUNDLE/env.sh" || exit 2
exec "$WEFT_BUNDLE/bin/weft" "$@"
LAUNCHER
chmod +x "$folder/weft.sh"
echo "bundle.sh: $folder ($(du -sh "$folder" | cut -f1))"
