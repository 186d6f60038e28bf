# What the scripts of deploy/ and tests/ share. Sourced, never run; the script
# that sources it sets `set -euo pipefail` first.
# shellcheck shell=bash

program=${0##*/}
step_name=
step_start=0

# die MESSAGE...: ends the script.
die() {
  echo "$program: $*" >&2
  exit 1
}

# begin NAME...: says that a slow step starts. It ends the step before.
begin() {
  finish
  step_name=$*
  step_start=$SECONDS
  echo "==> $step_name"
}

# finish: says how long the step took.
finish() {
  [[ -z $step_name ]] && return 0
  echo "==> $step_name: $((SECONDS - step_start)) s"
  step_name=
}

# Where downloads and build results are kept between runs. Nothing but time is
# lost when it is deleted.
cache_dir() {
  echo "${INNKEEPER_CACHE:-${HOME:-/root}/.cache/innkeeper}"
}

# retry TIMES COMMAND...: runs COMMAND until it succeeds, with growing pauses.
retry() {
  local times=$1 try
  shift
  for ((try = 1; try <= times; try++)); do
    "$@" && return 0
    ((try < times)) && sleep "$try"
  done
  return 1
}

# The options with which apt-get asks nothing and waits at most five minutes
# for another package manager to finish.
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
    -o APT::Sandbox::User=root "$@"
}

# have_apt_lists: whether apt knows what Debian offers.
have_apt_lists() {
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

# Once a run is enough: the lists do not change that fast.
apt_lists_refreshed=
refresh_apt_lists() {
  [[ -n $apt_lists_refreshed ]] && return 0
  ((EUID == 0)) || die "apt's package lists are missing or out of date and" \
    "only root can refresh them: run 'apt-get update' as root"
  begin "refreshing apt's package lists"
  apt_get update || die "apt-get update failed; check that the mirrors in" \
    "/etc/apt/sources.list can be reached"
  finish
  apt_lists_refreshed=1
}
