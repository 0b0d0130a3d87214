#!/usr/bin/env bash
# What a run-time stage of the containers does, step by step:  deploy/container/runtime-steps.sh STEP...
#   list       the Debian packages that are needed to run, one a line
#   packages   installs them
#   user       the user weft, 1000, who runs everything, and how ssh takes mpirun from pod to pod
# Environment: WEFT_ROOT, where the file system begins, for tests; / without it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${WEFT_ROOT:-}
refuse() {
  echo "runtime-steps.sh: $1" >&2
  exit 2
}
# gnuplot draws the report; the operator of MPI jobs starts ranks by ssh.
readonly packages=(
  openmpi-bin libhdf5-103-1 libyaml-cpp0.7 libfmt9 libspdlog1.10 libxxhash0 libgomp1
  libprometheus-cpp-core1.0 libprometheus-cpp-push1.0 libcivetweb1
  gnuplot-nox fonts-dejavu-core openssh-client openssh-server
)

step_list() {
  printf '%s\n' "${packages[@]}"
}

step_packages() {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  rm -rf /var/lib/apt/lists/*
  rm -f /etc/ssh/ssh_host_*  # an image's keys would be everybody's; sshd gets one from the operator
}

step_user() {
  useradd ${root:+--prefix "$root"} --uid 1000 --user-group --create-home --home-dir /home/weft --shell /bin/bash weft
  mkdir -p "$root/etc/ssh/ssh_config.d" "$root/run/sshd" "$root/work"
  cp "$here/ssh_config" "$root/etc/ssh/ssh_config.d/weft.conf"
  cp "$here/sshd_config" "$root/etc/ssh/weft_sshd_config"
  chown 1000:1000 "$root/work"
}

steps="list packages user"
[ $# -gt 0 ] || refuse "no step given; one or more of these were expected: $steps"
for step in "$@"; do
  [[ " $steps " == *" $step "* ]] || refuse "the step is '$step'; one of these was expected: $steps"
done
for step in "$@"; do
  "step_$step"
done
