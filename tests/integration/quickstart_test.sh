#!/usr/bin/env bash
# deploy/quickstart with the binaries of this build: a cluster of two hosts, an
# owner who is away, a server that is killed, and nothing left at the end.
set -euo pipefail

top=$(pwd)
lab=/var/tmp/innkeeper-quickstart-test
bins=$(mktemp -d)

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

clean_up() {
  "$top/deploy/quickstart" --dir "$lab" --stop || true
  rm -rf "$bins"
}
trap clean_up EXIT

for binary in agent/innkeeper-agent agent/launcher/innkeeper-launcher \
  agent/keeper/innkeeper-keeper cli/inn server/innkeeper-server; do
  install -m 0755 "$binary" "$bins/"
done

echo "== up"
INNKEEPER_BINARIES=$bins timeout 600 deploy/quickstart --dir "$lab"
# shellcheck disable=SC1091
. "$lab/env"

names() { inn list -o name | sort | tr '\n' ' '; }
[[ $(names) == "guests/hello-1 guests/hello-2 " ]] || fail "list: $(names)"

echo "== the owner comes back, and another does not see a thing"
for tenant in tenant-a tenant-b; do
  inn pki issue "$lab/pki" "user/$tenant" --out "$lab/users/$tenant"
done
as() {
  local tenant=$1
  shift
  INN_CERT=$lab/users/$tenant.pem INN_KEY=$lab/users/$tenant.key "$@"
}
[[ $(as tenant-a names) == "guests/hello-1 guests/hello-2 " ]] ||
  fail "tenant-a: $(as tenant-a names)"
[[ -z $(as tenant-b names) ]] || fail "tenant-b: $(as tenant-b names)"
code=0
as tenant-b inn show hello-1 2>/dev/null || code=$?
((code == 4)) || fail "show of a foreign guest exits with $code"
as tenant-a inn stop hello-1 --force

echo "== placed by the server"
names_both_hosts() { grep -q h1 "$bins/why" && grep -q h2 "$bins/why"; }
inn launch placed --owner user/tenant-a --vcpus 1 --memory 64M --paused
inn explain other --owner user/tenant-a --vcpus 1 --memory 1000G >"$bins/why" ||
  true
names_both_hosts || fail "explain names no hosts: $(cat "$bins/why")"
code=0
inn launch toobig --owner user/tenant-a --vcpus 1 --memory 1000G \
  2>"$bins/why" ||
  code=$?
((code != 0)) || fail "a launch without room succeeded"
names_both_hosts || fail "a launch without room: $(cat "$bins/why")"

echo "== the server is killed and comes back"
pkill -9 -x innkeeper-serve
for _ in $(seq 100); do
  sleep 0.2
  [[ $(names 2>/dev/null) == *"guests/placed "* ]] && break
done
[[ $(names) == "guests/hello-1 guests/hello-2 guests/placed " ]] ||
  fail "after the server's death: $(names)"

echo "== down"
deploy/quickstart --dir "$lab" --stop
[[ ! -e $lab ]] || fail "$lab is left"
if pgrep -f "$lab/bin" >/dev/null; then
  fail "left running: $(pgrep -af "$lab/bin")"
fi
left=$(find /sys/fs/cgroup -maxdepth 3 -name 'innkeeper-lab-*' | head -3)
[[ -z $left ]] || fail "control groups left: $left"
echo "passed"
