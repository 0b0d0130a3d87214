#!/usr/bin/env bash
# Packs a build, moves the folder and runs it in an empty environment:  bundle_test.sh SOURCE BUILD LIBTORCH
set -euo pipefail

source_root=$1 build=$2 libtorch=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$source_root/deploy/bundle.sh" "$work/packed" "$build"
mv "$work/packed" "$work/moved"
bundle=$work/moved
cd "$work"

fail() {
  echo "bundle_test: $1" >&2
  exit 1
}
# What a machine must have: glibc, LibTorch's folder and, for GPUs, CUDA, cuDNN, NCCL and the driver.
cuda="lib(cuda|cudart|cupti|cu(blas|blasLt|dnn|fft|file|rand|solver|sparse|sparseLt)[A-Za-z_]*|nccl|nv[A-Za-z_]+)\\.so[^/]*"
allowed="^($bundle/|$libtorch/|linux-vdso)|/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|util|anl|resolv|nss_[a-z]+|mvec)\\.so[^/]*)$"
allowed="$allowed|/$cuda$"
expect_ours() {  # WHAT: paths of libraries come by stdin
  local others
  others=$(grep -vE "$allowed" | sort -u || true)
  [ -z "$others" ] || fail "$1 takes libraries from outside the bundle:"$'\n'"$others"
}
bare() { env -i WEFT_LIBTORCH="$libtorch" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1 "$@"; }

bare "$bundle/weft.sh" --version | grep -q '^weft ' || fail "weft.sh --version does not name the version"

bare LD_DEBUG=files "$bundle/weft.sh" run "$source_root/configs/tiny.yaml" --output "$work/one" >"$work/one.txt" 2>"$work/loaded.txt" ||
  fail "weft.sh run failed: $(cat "$work/one.txt")"
[ -s "$work/one/results/metrics.json" ] || fail "weft.sh run left no results"
grep -q "$bundle/lib/openmpi/mca_" "$work/loaded.txt" || fail "Open MPI does not take its plugins from the bundle"
sed -n 's/.*calling init: //p' "$work/loaded.txt" | expect_ours "weft.sh run"

bare bash -c ". $bundle/env.sh && ldd $bundle/bin/* \$(find $bundle/lib -name '*.so*')" >"$work/needed.txt" 2>/dev/null
awk '$2 == "=>" && $3 ~ /^\// {print $3}' "$work/needed.txt" | expect_ours "a file of the bundle"
missing=$(awk '/=> not found/ {print $1}' "$work/needed.txt" | grep -vxE "$cuda" | sort -u || true)
[ -z "$missing" ] || fail "files of the bundle need what is neither in it nor the machine's to have:"$'\n'"$missing"

bare OMPI_MCA_rmaps_base_oversubscribe=1 bash -c ". $bundle/env.sh && mpirun -n 2 weft run $source_root/configs/tiny.yaml --output $work/two" \
  >"$work/two.txt" 2>&1 || fail "two ranks failed: $(cat "$work/two.txt")"
[ -s "$work/two/results/metrics.json" ] || fail "two ranks left no results"

if [ -f "$bundle/lib/libweft_cuda.so" ] && ! /sbin/ldconfig -p | grep 'libcuda\.so\.1' >/dev/null; then
  bare bash -c ". $bundle/env.sh && python3 -c 'import ctypes; ctypes.CDLL(\"$bundle/lib/libweft_cuda.so\")'" 2>"$work/load.txt" ||
    fail "libweft_cuda.so cannot be loaded: $(tail -n 1 "$work/load.txt")"
  status=0
  bare "$bundle/weft.sh" run "$source_root/configs/tiny.yaml" --set device=cuda --output "$work/gpu" >"$work/gpu.txt" 2>&1 || status=$?
  [ "$status" -eq 2 ] && grep -q 'no NVIDIA driver on this node' "$work/gpu.txt" ||
    fail "a run on a GPU where there is none: exit code $status, $(cat "$work/gpu.txt")"
fi

status=0
env -i "$bundle/weft.sh" --version 2>"$work/complaint.txt" || status=$?
[ "$status" -eq 2 ] && grep -q WEFT_LIBTORCH "$work/complaint.txt" || fail "a run without WEFT_LIBTORCH is not refused"
echo "bundle_test: done"
