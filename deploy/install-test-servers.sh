#!/usr/bin/env bash
# Fetches the servers that tests run Weft against: Prometheus, its Pushgateway and Slurm with munge. They are unpacked into a
# folder of their own, not installed: nothing of them starts by itself, and nothing of the system changes.
# Prints one line where it fetches, nothing when all is there. Where they cannot be had it says so and goes on: the tests that need
# them are then skipped.
# Environment: WEFT_TEST_SERVERS, the folder; all clones share the default one.
set -euo pipefail

readonly servers=${WEFT_TEST_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/weft/test-servers-1}
readonly packages=(prometheus prometheus-pushgateway slurmctld slurmd slurm-client munge)

give_up() {
  echo "install-test-servers: $1; the tests that need ${packages[*]} are skipped" >&2
  exit 0
}

[ ! -e "$servers/complete" ] || exit 0
command -v apt-get >/dev/null || give_up "not a Debian system"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || give_up "neither root nor sudo, which a download by apt-get needs"
  as_root=(sudo)
fi

echo "install-test-servers: unpacking ${packages[*]} into $servers"
mkdir -p "$(dirname "$servers")"
partial=$(mktemp -d "$servers.XXXXXX")
trap 'rm -rf "$partial"' EXIT
mkdir -p "$partial/archives/partial"
"${as_root[@]}" apt-get update -qq || true
"${as_root[@]}" apt-get install -y -qq --no-install-recommends --download-only --reinstall \
  -o APT::Sandbox::User=root -o Dir::Cache::archives="$partial/archives" "${packages[@]}" >/dev/null || give_up "apt-get could not download them"
for archive in "$partial"/archives/*.deb; do
  dpkg-deb --extract "$archive" "$partial"
done
rm -rf "$partial/archives"
touch "$partial/complete"
chmod 755 "$partial"
rm -rf "$servers"
mv -T "$partial" "$servers"
trap - EXIT
