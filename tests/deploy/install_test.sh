#!/usr/bin/env bash
# Installs a build, moves the folder, runs it, and builds a project against it:  install_test.sh SOURCE BUILD LIBTORCH
set -euo pipefail

source_root=$1 build=$2 libtorch=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "install_test: $1" >&2
  exit 1
}

cmake --install "$build" --prefix "$work/installed" >"$work/install.txt" 2>&1 || fail "cmake --install: $(tail -n 5 "$work/install.txt")"
mv "$work/installed" "$work/moved"
prefix=$work/moved
cd "$work"

for file in bin/weft lib/libweft_core.a lib/libweft_kernels.a lib/libweft_app.a lib/weft/vector_instructions.o \
  include/weft/sim/simulator.hpp include/weft/app/program.hpp lib/cmake/weft/weftConfig.cmake lib/cmake/weft/weftTargets.cmake \
  share/weft/configs/quickstart.yaml share/man/man1/weft.1 share/bash-completion/completions/weft share/weft/container/probe.sh; do
  [ -s "$prefix/$file" ] || fail "$file was not installed"
done
for folder in launch/slurm deploy/prometheus deploy/grafana; do
  [ ! -d "$source_root/$folder" ] || [ -d "$prefix/share/weft/$folder" ] || fail "share/weft/$folder was not installed"
done
[ ! -f "$build/libweft_cuda.so" ] || [ -s "$prefix/lib/libweft_cuda.so" ] || fail "lib/libweft_cuda.so was not installed"
places=$(grep -rlF -e "$build" -e "$source_root" -e "$work/installed" "$prefix/lib/cmake" "$prefix/share" || true)
[ -z "$places" ] || fail "files that name a folder of the build, or where they were installed first:"$'\n'"$places"
leaks=$(grep -nE -e '-Werror|-Wall|-fsanitize' "$prefix"/lib/cmake/weft/*.cmake || true)
[ -z "$leaks" ] || fail "flags of this build reach other projects:"$'\n'"$leaks"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
unset LD_LIBRARY_PATH
"$prefix/bin/weft" --version | grep -q '^weft ' || fail "weft --version does not name the version"
"$prefix/bin/weft" run "$prefix/share/weft/configs/tiny.yaml" --output "$work/run" >"$work/run.txt" 2>&1 || fail "weft run: $(cat "$work/run.txt")"
[ -s "$work/run/results/metrics.json" ] || fail "weft run left no results"
if [ -f "$prefix/lib/libweft_cuda.so" ] && ! /sbin/ldconfig -p | grep 'libcuda\.so\.1' >/dev/null; then
  status=0
  "$prefix/bin/weft" run "$prefix/share/weft/configs/tiny.yaml" --set device=cuda --output "$work/gpu" >"$work/gpu.txt" 2>&1 || status=$?
  [ "$status" -eq 2 ] && grep -q 'no NVIDIA driver on this node' "$work/gpu.txt" ||
    fail "a run on a GPU where there is none: exit code $status, $(cat "$work/gpu.txt")"
fi

configure() { cmake -S "$source_root/tests/consumer" -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" "${@:2}"; }
configure "$work/consumer" -DWEFT_LIBTORCH="$libtorch" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"$work/configure.txt" 2>&1 ||
  fail "a project that uses the library: $(cat "$work/configure.txt")"
! grep -i warning "$work/configure.txt" || fail "CMake warns a project that uses the library"
grep -q 'march=x86-64-v3.*-idirafter' "$work/consumer/compile_commands.json" || fail "a project that uses the library lacks its flags"
cmake --build "$work/consumer" >"$work/build.txt" 2>&1 || fail "a project that uses the library: $(tail -n 30 "$work/build.txt")"
said=$("$work/consumer/consumer" "$prefix/share/weft/configs/tiny.yaml") || fail "the project that uses the library ended with $?"
grep -qE '^weft .*: 200 frames of 24 neurons, [1-9][0-9]* directions$' <<<"$said" || fail "the project that uses the library says: $said"

status=0
configure "$work/refused" -DWEFT_LIBTORCH="$work" >"$work/refused.txt" 2>&1 || status=$?
[ "$status" -ne 0 ] && grep -q "LibTorch is not in" "$work/refused.txt" || fail "a folder without LibTorch is not refused: $(cat "$work/refused.txt")"
echo "install_test: done"
