#!/usr/bin/env bash
# A stock gRPC client, buf, against a server and an agent of deploy/quickstart:
# over mutual TLS, an admin by reflection, an owner by the API's descriptors.
set -euo pipefail

top=$(pwd)
lab=/var/tmp/innkeeper-buf-test
bins=$(mktemp -d)
export HOME=${HOME:-/root}
descriptors=$top/tests/integration/descriptors.binpb
buf=$(deploy/fetch-buf)

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

clean_up() {
  "$top/deploy/quickstart" --dir "$lab" --stop || true
  rm -rf "$bins"
}
trap clean_up EXIT

# call USER PORT WHAT [OPTION...]: what `buf curl` answers, errors included.
call() {
  local user=$1 port=$2 what=$3
  shift 3
  "$buf" curl --protocol grpc --cacert "$lab/ca.pem" \
    --cert "$lab/users/$user.pem" --key "$lab/users/$user.key" "$@" \
    "https://127.0.0.1:$port$what" 2>&1
}

# expect TEXT CALL...: the call succeeds, and its answer holds TEXT.
expect() {
  local text=$1 answer
  shift
  answer=$(call "$@") || fail "$*: $answer"
  [[ $answer == *"$text"* ]] || fail "$*: no '$text' in: $answer"
}

# refuse TEXT CALL...: the call fails, and its error holds TEXT.
refuse() {
  local text=$1 answer
  shift
  ! answer=$(call "$@") || fail "$*: was let in: $answer"
  [[ $answer == *"$text"* ]] || fail "$*: no '$text' in: $answer"
}

for binary in agent/innkeeper-agent agent/launcher/innkeeper-launcher \
  agent/keeper/innkeeper-keeper cli/inn server/innkeeper-server; do
  install -m 0755 "$binary" "$bins/"
done
INNKEEPER_BINARIES=$bins timeout 600 deploy/quickstart --dir "$lab"
for tenant in tenant-a tenant-b; do
  "$lab/bin/inn" pki issue "$lab/pki" "user/$tenant" \
    --out "$lab/users/$tenant"
done

# The server, then the agent of host h1.
for port in 17440 17441; do
  echo "== port $port: an admin, by reflection"
  for service in google.longrunning.Operations grpc.health.v1.Health \
    grpc.reflection.v1.ServerReflection innkeeper.v1.Consoles \
    innkeeper.v1.Events innkeeper.v1.Guests innkeeper.v1.Hosts \
    innkeeper.v1.Policy; do
    expect "$service" admin "$port" '' --list-services
  done
  for method in innkeeper.v1.Guests/LaunchGuest \
    innkeeper.v1.Guests/ListGuests innkeeper.v1.Consoles/AttachSerial \
    google.longrunning.Operations/WaitOperation grpc.health.v1.Health/Check; do
    expect "$method" admin "$port" '' --list-methods
  done
  expect '"user/admin"' admin "$port" /innkeeper.v1.Policy/WhoAmI -d '{}'
  expect '"guests/hello-1"' admin "$port" /innkeeper.v1.Guests/ListGuests \
    -d '{}'
  expect '"operations/' admin "$port" \
    /google.longrunning.Operations/ListOperations -d '{}'
  expect SERVING admin "$port" /grpc.health.v1.Health/Check -d '{}'
  refuse not_found admin "$port" /innkeeper.v1.Guests/GetGuest \
    -d '{"name": "guests/no-such"}'

  echo "== port $port: owners, by the descriptors"
  for what in --list-services --list-methods; do
    refuse permission_denied tenant-a "$port" '' "$what"
  done
  expect '"guests/hello-1"' tenant-a "$port" \
    /innkeeper.v1.Guests/ListGuests -d '{}' --schema "$descriptors"
  expect '"user/tenant-a"' tenant-a "$port" \
    /innkeeper.v1.Policy/WhoAmI -d '{}' --schema "$descriptors"
  expect '{}' tenant-b "$port" \
    /innkeeper.v1.Guests/ListGuests -d '{}' --schema "$descriptors"
  refuse not_found tenant-b "$port" /innkeeper.v1.Guests/GetGuest \
    -d '{"name": "guests/hello-1"}' --schema "$descriptors"
done

echo "== nobody else: no certificate, and one of another authority"
"$lab/bin/inn" pki init "$bins/pki" --trust-domain lab.example
"$lab/bin/inn" pki issue "$bins/pki" user/admin --out "$lab/users/impostor"
for port in 17440 17441; do
  health=/grpc.health.v1.Health/Check
  answer=$("$buf" curl --protocol grpc --cacert "$lab/ca.pem" \
    --schema "$descriptors" -d '{}' "https://127.0.0.1:$port$health" 2>&1) &&
    fail "port $port lets in without a certificate: $answer"
  expect SERVING tenant-b "$port" "$health" --schema "$descriptors" -d '{}'
  refuse '' impostor "$port" "$health" --schema "$descriptors" -d '{}'
done
echo "passed"
