#!/usr/bin/env bash
# Installs what Weft needs and does not find: Debian packages (with sudo unless root) and LibTorch.
# Prints one line per thing it installs and nothing when all is there. Where packages cannot be installed (another system,
# no sudo) it says which it would have taken and goes on: the same libraries may be there under other names.
# Environment: WEFT_LIBTORCH, the folder that LibTorch is unpacked into or found in; all clones share the default one.
set -euo pipefail

readonly torch_version=2.11.0
readonly libtorch=${WEFT_LIBTORCH:-${XDG_CACHE_HOME:-$HOME/.cache}/weft/libtorch-$torch_version}
readonly packages=(
  g++ cmake ninja-build ccache git python3 python3-pip
  openmpi-bin libopenmpi-dev libhdf5-dev hdf5-tools libyaml-cpp-dev libfmt-dev libspdlog-dev
  libcli11-dev nlohmann-json3-dev libxxhash-dev libgtest-dev libgmock-dev libbenchmark-dev
  prometheus-cpp-dev libcivetweb-dev gnuplot-nox fonts-dejavu-core python3-h5py python3-yaml python3-jsonschema
)
# torch finds all of these through its own rpath; the last two it needs even on a machine without a GPU or CUDA toolkit.
readonly wheels=(
  "torch==$torch_version" nvidia-cusparselt-cu13==0.8.0 nvidia-nvshmem-cu13==3.4.5 nvidia-cufile==1.15.1.6
  "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-cupti==13.0.*"
)

missing_packages() {
  local name
  for name in "${packages[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
  done
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "install-dependencies: neither root nor sudo; not installed: $*" >&2
      return
    fi
    as_root=(sudo)
  fi
  echo "install-dependencies: apt-get install $*"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_libtorch() {
  if [ -e "$libtorch" ] && [ -n "$(ls -A "$libtorch")" ]; then
    echo "install-dependencies: $libtorch holds something other than LibTorch $torch_version as unpacked from its wheel;" \
      "set WEFT_LIBTORCH to a new folder" >&2
    exit 2
  fi
  local partial
  echo "install-dependencies: LibTorch $torch_version into $libtorch (a download of 530 MB)"
  mkdir -p "$(dirname "$libtorch")"
  partial=$(mktemp -d "$libtorch.XXXXXX")
  /usr/bin/python3 -m pip install --quiet --no-deps --no-compile --disable-pip-version-check --root-user-action=ignore \
    --target "$partial" "${wheels[@]}"
  chmod 755 "$partial"
  [ ! -d "$libtorch" ] || rmdir "$libtorch"
  mv -T "$partial" "$libtorch"
}

if command -v dpkg-query >/dev/null; then
  mapfile -t absent < <(missing_packages)
  [ ${#absent[@]} -eq 0 ] || install_packages "${absent[@]}"
else
  echo "install-dependencies: not a Debian system; needed are the libraries behind: ${packages[*]}" >&2
fi
[ -f "$libtorch/torch/lib/libtorch_cpu.so" ] || install_libtorch
