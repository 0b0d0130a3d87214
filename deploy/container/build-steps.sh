#!/usr/bin/env bash
# What a build stage of the containers does, step by step:  deploy/container/build-steps.sh STEP...
# The Dockerfile and weft.def call it, and tests call it outside of a container. The steps:
#   dependencies     Debian packages, and LibTorch into WEFT_LIBTORCH
#   cuda             the compiler and the libraries of CUDA, NCCL and cuDNN that this LibTorch was made for, beside it
#   configure        without tests; WEFT_CUDA says whether libweft_cuda.so is built
#   build
#   install          into WEFT_PREFIX
#   runtime          what is needed to run, of both, into WEFT_RUNTIME, each in the folder that it has here
# Environment, with defaults for a container: WEFT_LIBTORCH=/opt/libtorch WEFT_PREFIX=/opt/weft WEFT_BUILD=/build
# WEFT_RUNTIME=/runtime WEFT_CUDA=OFF
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export WEFT_LIBTORCH=${WEFT_LIBTORCH:-/opt/libtorch}
prefix=${WEFT_PREFIX:-/opt/weft} build=${WEFT_BUILD:-/build} runtime=${WEFT_RUNTIME:-/runtime} cuda=${WEFT_CUDA:-OFF}
refuse() {
  echo "build-steps.sh: $1" >&2
  exit 2
}

step_dependencies() {
  "$root/deploy/install-dependencies.sh"
}

step_cuda() {
  local metadata partial
  metadata=$(ls "$WEFT_LIBTORCH"/torch-*.dist-info/METADATA 2>/dev/null) ||
    refuse "WEFT_LIBTORCH is '$WEFT_LIBTORCH'; LibTorch as its wheel has it was expected; run the step dependencies first"
  mapfile -t wheels < <(sed -n 's/^Requires-Dist: \(\(cuda-toolkit\|nvidia-\)[^;]*\).*/\1/p' "$metadata")
  [ ${#wheels[@]} -gt 0 ] || refuse "$metadata names no libraries of CUDA; a LibTorch with CUDA was expected"
  partial=$(mktemp -d "$WEFT_LIBTORCH.XXXXXX")
  /usr/bin/python3 -m pip install --quiet --no-compile --disable-pip-version-check --root-user-action=ignore --target "$partial" \
    "${wheels[@]}" "nvidia-cuda-nvcc==13.0.*" "nvidia-cuda-crt==13.0.*" "nvidia-nvvm==13.0.*" "nvidia-cuda-cccl==13.0.*"
  cp -a "$partial/nvidia" "$WEFT_LIBTORCH/"
  rm -rf "$partial"
  # Where nvcc and the linker look for them, which wheels leave out.
  ln -sfn lib "$WEFT_LIBTORCH/nvidia/cu13/lib64"
  ln -sf libcudart.so.13 "$WEFT_LIBTORCH/nvidia/cu13/lib/libcudart.so"
}

step_configure() {
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWEFT_BUILD_TESTS=OFF -DWEFT_LIBTORCH="$WEFT_LIBTORCH" \
    -DWEFT_CUDA="$cuda" -DWEFT_NVCC="$(PATH=$WEFT_LIBTORCH/nvidia/cu13/bin:$PATH:/usr/local/cuda/bin command -v nvcc || echo WEFT_NVCC-NOTFOUND)"
}

step_build() {
  cmake --build "$build"
}

step_install() {
  [ -x "$build/weft" ] || refuse "there is no weft in WEFT_BUILD, '$build'; run the steps configure and build first"
  cmake --install "$build" --prefix "$prefix" >/dev/null
}

# Neither headers, static libraries nor the compiler; of LibTorch, where there is no libweft_cuda.so, what the program loads.
step_runtime() {
  [ -x "$prefix/bin/weft" ] || refuse "there is no bin/weft in WEFT_PREFIX, '$prefix'; run the step install first"
  local to=$runtime$prefix
  mkdir -p "$to/bin" "$to/lib"
  cp "$prefix/bin/weft" "$to/bin/"
  cp -r "$prefix/share" "$to/"
  local libraries
  libraries=$(ldd "$prefix/bin/weft" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | xargs -n 1 realpath | grep -F "$(realpath "$WEFT_LIBTORCH")/") ||
    refuse "$prefix/bin/weft does not take LibTorch from WEFT_LIBTORCH, '$WEFT_LIBTORCH'; give the folder that it was built with"
  if [ -f "$prefix/lib/libweft_cuda.so" ]; then
    cp "$prefix/lib/libweft_cuda.so" "$to/lib/"
    libraries+=$'\n'$(find "$(realpath "$WEFT_LIBTORCH")"/{torch/lib,nvidia} -name '*.so*' -type f -not -name '*python*')
  fi
  local library place
  while read -r library; do
    place=$runtime$WEFT_LIBTORCH/${library#"$(realpath "$WEFT_LIBTORCH")/"}
    mkdir -p "$(dirname "$place")"
    cp "$library" "$place"
  done < <(sort -u <<<"$libraries")
}

steps="dependencies cuda configure build install runtime"
[ $# -gt 0 ] || refuse "no step given; one or more of these were expected: $steps"
for step in "$@"; do
  [[ " $steps " == *" $step "* ]] || refuse "the step is '$step'; one of these was expected: $steps"
done
for step in "$@"; do
  echo "build-steps: $step"
  "step_$step"
done
