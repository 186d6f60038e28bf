# The lab of deploy/quickstart: its names, its parties, its end. Sourced after
# common.sh; `lab` is the lab's directory.
# shellcheck shell=bash

readonly lab_hosts=(h1 h2)
readonly lab_server_port=17440
lab=${lab:?}

instance() { echo "lab-$1"; }
run_dir() { echo "/run/innkeeper/$(instance "$1")"; }
user_of() { echo "innkeeper-lab-$1"; }

# port HOST: where its agent listens.
port() { echo $((lab_server_port + ${1#h})); }

# uid_base HOST: the first uid of its guests; the ranges do not touch.
uid_base() { echo $((1880000000 + (${1#h} + 100) * 65536)); }

# pids_of_lab: every process that runs a binary of the lab's own.
pids_of_lab() {
  local exe
  for exe in /proc/[0-9]*/exe; do
    [[ $(readlink "$exe" 2>/dev/null || true) == "$lab/bin/"* ]] || continue
    exe=${exe#/proc/}
    echo "${exe%/exe}"
  done
}

# loop_pid NAME: the pid of its restart loop, if that runs.
loop_pid() {
  local pid file="$lab/run/$1.pid"
  [[ -r $file ]] && read -r pid <"$file" || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" |
    grep --quiet --fixed-strings "$lab/bin/keep-running" || return 1
  echo "$pid"
}

# keep NAME COMMAND...: runs it in a restart loop of its own session.
keep() {
  local name=$1
  shift
  setsid "$lab/bin/keep-running" "$lab/run/$name.pid" "$@" \
    >>"$lab/log/$name.log" 2>&1 </dev/null &
}

# within SECONDS COMMAND...: until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.3
  done
}

# make_user NAME: a system user that may do nothing but own processes.
make_user() {
  local extra=()
  getent group kvm >/dev/null && extra=(--groups kvm)
  getent passwd "$1" >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin "${extra[@]}" "$1"
}

# The roles of the lab; the same at the server and at each agent.
bindings() {
  cat <<'TEXT'
bindings { role: "admin" principal: "user/admin" scope: "all" }
bindings { role: "operator" principal: "user/operator" scope: "all" }
bindings { role: "owner" principal: "user/*" scope: "own" }
TEXT
}

# write_agent_config HOST MEMORY_BYTES VCPUS
write_agent_config() {
  local host=$1
  {
    cat <<TEXT
name: "$host"
trust_domain: "lab.example"
listen_addresses: "127.0.0.1:$(port "$host")"
unix_socket: "$(run_dir "$host")/agent/agent.sock"
state_directory: "$lab/$host/agent"
ca_file: "$lab/$host/tls/ca.pem"
certificate_file: "$lab/$host/tls/host.pem"
key_file: "$lab/$host/tls/host.key"
enrolment_token_file: "$lab/$host/tls/token"
pools { key: "lab" value: "$lab/pool" }
capacity_memory_bytes: $2
capacity_vcpu_count: $3
TEXT
    bindings
  } >"$lab/$host/agent.conf"
}

write_server_config() {
  {
    cat <<TEXT
name: "lab"
trust_domain: "lab.example"
listen_addresses: "127.0.0.1:$lab_server_port"
unix_socket: "$lab/server/state/server.sock"
state_directory: "$lab/server/state"
ca_file: "$lab/ca.pem"
certificate_file: "$lab/server/tls/server.pem"
key_file: "$lab/server/tls/server.key"
pki_directory: "$lab/server/pki"
TEXT
    bindings
  } >"$lab/server/server.conf"
}

# keep_host HOST: its launcher, which starts its agent.
keep_host() {
  keep "$1" "$lab/bin/innkeeper-launcher" "--instance=$(instance "$1")" \
    "--agent=$lab/bin/innkeeper-agent" "--agent-user=$(user_of "$1")" \
    "--keeper=$lab/bin/innkeeper-keeper" "--pool=lab=$lab/pool" \
    "--state-dir=$lab/$1" "--run-dir=$(run_dir "$1")" \
    "--uid-base=$(uid_base "$1")" --uid-count=65536 \
    -- "--config=$lab/$1/agent.conf"
}

# at_agent HOST, at_server: whom as_user talks to from now on.
address=
answerer=
at_agent() {
  address="127.0.0.1:$(port "$1")"
  answerer="host/$1"
}
at_server() {
  address="127.0.0.1:$lab_server_port"
  answerer=server/lab
}

# as_user NAME COMMAND...: inn as that user of the lab, at $address.
as_user() {
  local name=$1
  shift
  INN_ADDRESS=$address INN_SERVER_NAME=$answerer INN_CA="$lab/ca.pem" \
    INN_CERT="$lab/users/$name.pem" INN_KEY="$lab/users/$name.key" \
    "$lab/bin/inn" "$@"
}

# stop_loops: ends server, launchers and agents; guests live on for now.
stop_loops() {
  local name pid
  for name in server "${lab_hosts[@]}"; do
    pid=$(loop_pid "$name") && kill "$pid"
  done
  within 15 no_daemon || true
}

no_daemon() {
  local pid
  for pid in $(pids_of_lab); do
    [[ $(readlink "/proc/$pid/exe") == */innkeeper-keeper ]] || return 1
  done
}

# cgroup_mounts: the mount point of each hierarchy.
cgroup_mounts() {
  awk '{ for (i = 7; i < NF; ++i) if ($i == "-") break
         if ($(i + 1) ~ /^cgroup2?$/) print $5 }' /proc/self/mountinfo
}

# remove_cgroups HOST: kills what is left in its groups, then removes them.
remove_cgroups() {
  local mount group
  for mount in $(cgroup_mounts); do
    group="$mount/innkeeper-$(instance "$1")"
    [[ -d $group ]] || continue
    within 15 empty_cgroup "$group" ||
      echo "quickstart: $group could not be removed" >&2
  done
}

# empty_cgroup GROUP: one more try to kill and remove all below it.
empty_cgroup() {
  local pid
  find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null |
    while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done
  find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
  [[ ! -d $1 ]]
}

# remove_mounts DIRECTORY: all that is mounted in it, the innermost first.
remove_mounts() {
  local mount
  awk '{ print $5 }' /proc/self/mountinfo |
    { grep --fixed-strings "$1/" || true; } | sort --reverse |
    while read -r mount; do umount --lazy "$mount"; done
}

# remove_lab: whatever there is of the lab, also when it was made in part.
remove_lab() {
  local host name pid
  [[ -e $lab/.innkeeper-lab ]] || die "$lab holds no lab"
  stop_loops
  for host in "${lab_hosts[@]}"; do
    remove_cgroups "$host"
    remove_mounts "$(run_dir "$host")"
    rm -rf -- "$(run_dir "$host")"
  done
  for pid in $(pids_of_lab); do kill -KILL "$pid" 2>/dev/null || true; done
  within 10 no_process || die "processes of the lab do not end:" \
    "$(pids_of_lab | tr '\n' ' ')"
  rmdir --ignore-fail-on-non-empty /run/innkeeper 2>/dev/null || true
  for name in server "${lab_hosts[@]}"; do
    getent passwd "$(user_of "$name")" >/dev/null || continue
    userdel "$(user_of "$name")"
  done
  remove_mounts "$lab"
  rm -rf -- "$lab"
}

no_process() { [[ -z $(pids_of_lab) ]]; }
