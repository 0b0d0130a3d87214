#!/usr/bin/env bash
# Installs what Weft needs and does not find: Debian packages (with sudo unless root) and LibTorch.
# Prints one line per thing it installs and nothing when all is there.
# Environment: WEFT_LIBTORCH, the folder LibTorch is unpacked into or found in (shared by all clones).
set -euo pipefail

readonly torch_version=2.11.0
readonly libtorch=${WEFT_LIBTORCH:-${XDG_CACHE_HOME:-$HOME/.cache}/weft/libtorch-$torch_version}
readonly packages=(
  g++ cmake ninja-build ccache git python3 python3-pip
  openmpi-bin libopenmpi-dev libhdf5-dev hdf5-tools libyaml-cpp-dev libfmt-dev libspdlog-dev
  libcli11-dev nlohmann-json3-dev libxxhash-dev libgtest-dev libgmock-dev libbenchmark-dev
  gnuplot-nox fonts-dejavu-core python3-h5py
)
# The wheel of torch finds the first three through its own rpath; the last two stand in for a CUDA toolkit.
readonly wheels=(
  "torch==$torch_version" nvidia-cusparselt-cu13==0.8.0 nvidia-nvshmem-cu13==3.4.5 nvidia-cufile==1.15.1.6
)
readonly runtime_wheels=("nvidia-cuda-runtime==13.0.*" "nvidia-cuda-cupti==13.0.*")

missing_packages() {
  local name
  for name in "${packages[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
  done
}

install_packages() {
  local sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  echo "install-dependencies: apt-get install $*"
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_libtorch() {
  local needed=("${wheels[@]}")
  ldconfig -p | grep -q 'libcupti\.so\.13' || needed+=("${runtime_wheels[@]}")
  echo "install-dependencies: LibTorch $torch_version into $libtorch (a download of 530 MB)"
  rm -rf "$libtorch.partial"
  /usr/bin/python3 -m pip install --quiet --no-deps --no-compile --root-user-action=ignore --disable-pip-version-check \
    --target "$libtorch.partial" "${needed[@]}"
  rm -rf "$libtorch"
  mv "$libtorch.partial" "$libtorch"
}

if ! command -v dpkg-query >/dev/null; then
  echo "install-dependencies: this script knows Debian and Ubuntu only; see README.md for the list of libraries" >&2
  exit 2
fi
mapfile -t absent < <(missing_packages)
[ ${#absent[@]} -eq 0 ] || install_packages "${absent[@]}"
[ -f "$libtorch/torch/lib/libtorch_cpu.so" ] || install_libtorch
