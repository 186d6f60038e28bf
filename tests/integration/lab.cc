#include "tests/integration/lab.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launcher/cgroup.h"
#include "agent/launcher/proc.h"
#include "auth/tls_credentials.h"
#include "auth/tls_init.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kFirstUid = 1900000000;
constexpr uid_t kUidsOfALab = 1000;
constexpr size_t kMaxLogBytes = size_t{64} << 20;

// What cannot be arranged for a test ends it.
void Check(bool good, absl::string_view what) {
  if (good) return;
  fprintf(stderr, "Lab: %s: %m\n", std::string(what).c_str());
  abort();
}

void WriteText(const std::string& path, absl::string_view text, mode_t mode) {
  std::ofstream file(path);
  file << text;
  file.close();
  Check(file.good() && chmod(path.c_str(), mode) == 0, path);
}

// Whether `pid` is there and not just waiting for whoever inherited it.
bool Runs(pid_t pid) {
  const absl::StatusOr<ProcStat> stat = ReadProcStat(absl::StrCat(pid));
  return stat.ok() && stat->state != 'Z';
}

// The value of `key` in the last line of `log` that holds `event`.
std::string LastValue(absl::string_view log, absl::string_view event,
                      absl::string_view key) {
  std::string value;
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    if (!absl::StrContains(line, event)) continue;
    const size_t start = line.find(key);
    if (start == absl::string_view::npos) continue;
    const absl::string_view rest = line.substr(start + key.size());
    value = std::string(rest.substr(0, rest.find(' ')));
  }
  return value;
}

}  // namespace

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

std::vector<std::string> FailpointsOf(const std::string& binary) {
  const std::string command = binary + " --list-failpoints";
  FILE* const output = popen(command.c_str(), "r");
  Check(output != nullptr, command);
  std::vector<std::string> names;
  char line[256];
  while (fgets(line, sizeof(line), output) != nullptr) {
    names.emplace_back(line, strcspn(line, "\n"));
  }
  Check(pclose(output) == 0, command);
  return names;
}

Lab::Lab() {
  Check(geteuid() == 0, "must run as root");
  Check(InitTls().ok(), "TLS");
  pki_ = std::make_unique<TestPki>();
  static int labs = 0;
  const int number = labs++;
  instance_ = absl::StrCat("it-", getpid(), "-", number);
  agent_uid_ = kFirstUid + kUidsOfALab * ((getpid() * 8 + number) % 100000);
  // Short, for the sockets' sake; root's all the way, as the launcher demands.
  dir_ = absl::StrCat("/var/tmp/", instance_);
  Check(fs::create_directory(dir_), dir_);
  for (const char* const name : {"/agent", "/bin", "/callers", "/pool"}) {
    Check(fs::create_directory(dir_ + name), dir_);
  }
  InstallBinaries();
}

Lab::~Lab() {
  if (launcher_ != 0) {
    const absl::StatusOr<std::vector<v1::Guest>> guests = AsRoot().List();
    EXPECT_TRUE(guests.ok()) << guests.status();
    for (size_t i = 0; guests.ok() && i < guests->size(); ++i) {
      const std::string id = (*guests)[i].name().substr(strlen("guests/"));
      if ((*guests)[i].has_process()) {
        EXPECT_EQ(AsRoot().Finish(AsRoot().Stop(id, true)), absl::OkStatus());
      }
      EXPECT_EQ(AsRoot().Finish(AsRoot().Delete(id)), absl::OkStatus());
    }
    CheckNothingLeft();
    EXPECT_EQ(Stop(), absl::OkStatus());
    EXPECT_TRUE(Processes(true).empty()) << "a process outlives the host";
  }
  if (testing::Test::HasFailure()) {
    const std::string log = Log();
    const size_t kTail = 20000;
    fprintf(
        stderr, "--- the log of %s\n%s---\n", instance_.c_str(),
        log.size() > kTail ? log.c_str() + log.size() - kTail : log.c_str());
  }
  Purge();
}

void Lab::InstallBinaries() {
  for (const std::string binary :
       {"agent/innkeeper-agent", "agent/launcher/innkeeper-launcher",
        "agent/keeper/innkeeper-keeper"}) {
    fs::copy_file(binary, dir_ + "/bin" + binary.substr(binary.rfind('/')));
  }
  // The agent's environment is the launcher's; a failpoint, however, is for one
  // agent only, not for those that the launcher starts after it.
  const std::string script = absl::StrCat(
      "#!/bin/sh\n"
      "if [ -e ",
      dir_, "/file_limit ]; then ulimit -n \"$(cat ", dir_,
      "/file_limit)\"; fi\n"
      "if [ -e ",
      dir_, "/failpoint ] && [ ! -e ", dir_,
      "/agent/reached ]; then\n"
      "  INNKEEPER_FAILPOINT=$(cat ",
      dir_,
      "/failpoint)\n"
      "  INNKEEPER_FAILPOINT_LOG=",
      dir_,
      "/agent/reached\n"
      "  export INNKEEPER_FAILPOINT INNKEEPER_FAILPOINT_LOG\n"
      "fi\n"
      "exec ",
      dir_, "/bin/innkeeper-agent \"$@\"\n");
  WriteText(dir_ + "/bin/agent", script, 0755);
}

void Lab::UseFakeQemu() {
  qemu_ = dir_ + "/bin/fake_qemu";
  fs::copy_file("tests/fake_qemu/fake_qemu", qemu_);
}

absl::Status Lab::AddTestGuest() {
  const char* const guest = getenv("INNKEEPER_TEST_GUEST");
  for (const std::string file :
       {"vmlinuz", "initrd.img", "disk.raw", "base.qcow2"}) {
    std::error_code error;
    if (guest == nullptr ||
        !fs::copy_file(absl::StrCat(guest, "/", file),
                       absl::StrCat(pool_dir(), "/", file), error)) {
      return absl::FailedPreconditionError(
          "INNKEEPER_TEST_GUEST must name the directory that "
          "tests/guest/make-guest has filled");
    }
  }
  return absl::OkStatus();
}

void Lab::AddDisk(const std::string& name, int64_t bytes) {
  const std::string path = absl::StrCat(pool_dir(), "/", name);
  WriteText(path, "", 0644);
  Check(truncate(path.c_str(), bytes) == 0, path);
}

void Lab::SetCapacity(int64_t memory_bytes, int vcpus) {
  memory_bytes_ = memory_bytes;
  vcpus_ = vcpus;
}

void Lab::OwnTls() const {
  const std::string state = dir_ + "/agent";
  Check(chown(state.c_str(), agent_uid_, agent_uid_) == 0, state);
  const std::string tls = state + "/tls";
  Check(chown(tls.c_str(), agent_uid_, agent_uid_) == 0, tls);
  for (const auto& file : fs::directory_iterator(tls)) {
    Check(chown(file.path().c_str(), agent_uid_, agent_uid_) == 0, tls);
  }
}

void Lab::Join(const std::string& token, int port) {
  joins_ = true;
  port_ = port;
  const std::string tls = dir_ + "/agent/tls";
  Check(fs::create_directory(tls), tls);
  WriteText(tls + "/token", token, 0600);
  OwnTls();
}

void Lab::AddLauncherFlag(const std::string& flag) {
  launcher_flags_.push_back(flag);
}

void Lab::AddLeases(const std::string& network, const std::string& file) {
  absl::StrAppend(&more_config_, "network_leases { key: '", network,
                  "' value: '", file, "' }\n");
}

void Lab::AddConfig(absl::string_view text) {
  absl::StrAppend(&more_config_, text, "\n");
}

void Lab::LimitAgentFiles(int limit) {
  WriteText(dir_ + "/file_limit", absl::StrCat(limit), 0644);
}

void Lab::WriteConfig() {
  const std::string state = dir_ + "/agent";
  if (!fs::exists(state + "/tls")) {
    pki_->Write(state + "/tls", pki_->Issue("host/" + instance_));
    OwnTls();
  }
  std::string text = absl::StrCat(
      "name: '", instance_, "'\ntrust_domain: '", std::string(kTestTrustDomain),
      "'\nlisten_addresses: '127.0.0.1:", port_, "'\nunix_socket: '", state,
      "/agent.sock'\nstate_directory: '", state, "'\nca_file: '", state,
      "/tls/ca.pem'\ncertificate_file: '", state, "/tls/cert.pem'\nkey_file: '",
      state, "/tls/key.pem'\nqemu_binary: '", qemu_,
      "'\npools { key: 'main' value: '", pool_dir(),
      "' }\ncapacity_memory_bytes: ", memory_bytes_,
      "\ncapacity_vcpu_count: ", vcpus_, "\n");
  if (joins_) {
    absl::StrAppend(&text, "enrolment_token_file: '", state, "/tls/token'\n");
  }
  for (const char* const binding :
       {"admin user/admin all", "operator user/operator all",
        "viewer user/viewer all", "owner user/tenant-a own",
        "owner user/tenant-b own"}) {
    const std::vector<std::string> part = absl::StrSplit(binding, ' ');
    absl::StrAppend(&text, "bindings { role: '", part[0], "' principal: '",
                    part[1], "' scope: '", part[2], "' }\n");
  }
  WriteText(dir_ + "/agent.conf", text + more_config_, 0644);
}

absl::Status Lab::Start() {
  Begin();
  return AwaitAgent();
}

void Lab::Begin() {
  WriteConfig();
  std::vector<std::string> arguments = {
      dir_ + "/bin/innkeeper-launcher",
      "--instance=" + instance_,
      "--agent=" + dir_ + "/bin/agent",
      absl::StrCat("--agent-user=", agent_uid_, ":", agent_uid_),
      "--run-dir=" + dir_ + "/run",
      "--state-dir=" + dir_ + "/state",
      "--pool=main=" + pool_dir(),
      "--qemu=" + qemu_,
      "--keeper=" + dir_ + "/bin/innkeeper-keeper",
      absl::StrCat("--uid-base=", agent_uid_ + 1),
      absl::StrCat("--uid-count=", kUidsOfALab - 2)};
  arguments.insert(arguments.end(), launcher_flags_.begin(),
                   launcher_flags_.end());
  arguments.push_back("--");
  arguments.push_back("--config=" + dir_ + "/agent.conf");
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log = dir_ + "/log";
  log_start_ = Log().size();
  launcher_ = fork();
  Check(launcher_ >= 0, "fork");
  if (launcher_ == 0) {
    // Even a test that is killed must not leave its launcher.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (!launcher_failpoint_.empty()) {
      setenv("INNKEEPER_FAILPOINT", launcher_failpoint_.c_str(), 1);
      setenv("INNKEEPER_FAILPOINT_LOG", (dir_ + "/launcher_reached").c_str(),
             1);
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  launcher_failpoint_.clear();
}

absl::Status Lab::AwaitAgent() {
  // The socket is what an agent opens last.
  const std::string last = absl::StrCat("address=unix:", dir_);
  std::string log;
  const bool serves = Eventually([&] {
    log = Log().substr(log_start_);
    const size_t started = log.rfind("agent.started");
    const size_t ended = log.rfind("agent.ended");
    return started != std::string::npos &&
           (ended == std::string::npos || ended < started) &&
           log.find(last, started) != std::string::npos;
  });
  if (!serves) return absl::DeadlineExceededError("no agent serves");
  const std::string port =
      LastValue(log, "agent.serving", "address=127.0.0.1:");
  if (port.empty()) return absl::InternalError("the agent has no port");
  address_ = "127.0.0.1:" + port;
  return absl::OkStatus();
}

absl::Status Lab::Stop() {
  if (launcher_ == 0) return absl::OkStatus();
  kill(launcher_, SIGTERM);
  int status = -1;
  const bool ended = Eventually(
      [&] { return waitpid(launcher_, &status, WNOHANG) == launcher_; });
  if (!ended) return absl::DeadlineExceededError("the launcher does not stop");
  launcher_ = 0;
  if (status != 0) {
    return absl::InternalError(absl::StrCat("the launcher's status: ", status));
  }
  return absl::OkStatus();
}

void Lab::KillAll() {
  const pid_t agent = agent_pid();
  kill(launcher_, SIGKILL);
  kill(agent, SIGKILL);
  waitpid(launcher_, nullptr, 0);
  launcher_ = 0;
  EXPECT_TRUE(Eventually([&] { return !Runs(agent); }));
}

void Lab::KillAgent() {
  const pid_t pid = agent_pid();
  const std::string end = absl::StrCat("agent.ended pid=", pid, " ");
  kill(pid, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(Log(), end); }));
}

void Lab::DeleteDatabase() {
  for (const auto& file : fs::directory_iterator(dir_ + "/agent")) {
    if (absl::StartsWith(file.path().filename().string(), "agent.db")) {
      fs::remove(file.path());
    }
  }
}

void Lab::ArmFailpoint(const std::string& failpoint) {
  fs::remove(dir_ + "/agent/reached");
  armed_at_ = Log().size();
  WriteText(dir_ + "/failpoint", failpoint, 0644);
}

bool Lab::FailpointReached() const {
  return fs::exists(dir_ + "/agent/reached") &&
         Log().find("status=9", armed_at_) != std::string::npos;
}

std::vector<std::string> Lab::AgentFailpoints() {
  return FailpointsOf("agent/innkeeper-agent");
}

void Lab::ArmLauncherFailpoint(const std::string& failpoint) {
  fs::remove(dir_ + "/launcher_reached");
  launcher_failpoint_ = failpoint;
}

bool Lab::LauncherFailpointReached() {
  if (!fs::exists(dir_ + "/launcher_reached")) return false;
  if (launcher_ != 0 && waitpid(launcher_, nullptr, WNOHANG) == launcher_) {
    launcher_ = 0;
  }
  return launcher_ == 0 && !Runs(agent_pid());
}

std::vector<std::string> Lab::LauncherFailpoints() {
  return FailpointsOf("agent/launcher/innkeeper-launcher");
}

std::shared_ptr<grpc::Channel> Lab::ChannelWith(
    const TestCertificate& certificate) const {
  TlsOptions options;
  options.files = pki_->Write(absl::StrCat(dir_, "/callers/", certificates_++),
                              certificate);
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      MakeChannel(address_, options);
  Check(channel.ok(), address_);
  return *std::move(channel);
}

std::shared_ptr<grpc::Channel> Lab::ChannelAs(
    absl::string_view principal) const {
  return ChannelWith(pki_->Issue(principal));
}

Caller Lab::As(absl::string_view principal) const {
  return Caller(ChannelAs(principal));
}

Caller Lab::AsRoot() const {
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      MakeLocalChannel(local_address());
  Check(channel.ok(), "the agent's socket");
  return Caller(*std::move(channel));
}

pid_t Lab::agent_pid() const {
  pid_t pid = 0;
  Check(absl::SimpleAtoi(LastValue(Log(), "agent.started", "pid="), &pid),
        "the agent's pid");
  return pid;
}

int64_t Lab::AgentPeakBytes() const {
  const std::string status =
      ReadFile(absl::StrCat("/proc/", agent_pid(), "/status"), 65536)
          .value_or("");
  const size_t line = status.find("VmHWM:");
  long kibibytes = 0;
  Check(line != std::string::npos &&
            sscanf(status.c_str() + line, "VmHWM: %ld kB", &kibibytes) == 1,
        "the agent's peak");
  return int64_t{kibibytes} << 10;
}

void Lab::ResetAgentPeak() const {
  std::ofstream file(absl::StrCat("/proc/", agent_pid(), "/clear_refs"));
  file << 5;
  file.close();
  Check(file.good(), "reset the agent's peak");
}

std::string Lab::Log() const {
  return ReadFile(dir_ + "/log", kMaxLogBytes).value_or("");
}

std::string Lab::AuditLog() const {
  return ReadFile(dir_ + "/agent/audit.jsonl", kMaxLogBytes).value_or("");
}

std::vector<pid_t> Lab::Processes(bool all) const {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    pid_t pid = 0;
    const std::string name = entry.path().filename();
    if (!absl::SimpleAtoi(name, &pid)) continue;
    const absl::StatusOr<InspectReply> process = Inspect(pid);
    const absl::StatusOr<ProcStat> stat = ReadProcStat(name);
    if (!process.ok() || !stat.ok() || stat->state == 'Z') continue;
    const uid_t uid = process->uids[0];
    const bool guests = uid > agent_uid_ && uid < agent_uid_ + kUidsOfALab;
    // By its program, too: it may not have taken its uid yet.
    const bool ours = guests || uid == agent_uid_ ||
                      absl::StartsWith(process->exe, dir_ + "/");
    const bool serves =
        uid == agent_uid_ || absl::EndsWith(process->exe, "-launcher");
    if (guests || (ours && (all || !serves))) found.push_back(pid);
  }
  return found;
}

std::vector<std::string> Lab::Cgroups() const {
  const CgroupLayout layout = ParseCgroupMounts(
      ReadFile("/proc/self/mountinfo", size_t{1} << 22).value_or(""));
  std::vector<std::string> mounts = {layout.unified, layout.blkio};
  for (const auto& [unused, mount] : layout.v1) mounts.push_back(mount);
  std::vector<std::string> groups;
  for (const std::string& mount : mounts) {
    const std::string group = absl::StrCat(mount, "/innkeeper-", instance_);
    if (!mount.empty() && fs::exists(group)) groups.push_back(group);
  }
  return groups;
}

std::vector<std::string> Lab::Leftovers() const {
  std::vector<std::string> found;
  for (const pid_t pid : Processes(false)) {
    found.push_back(absl::StrCat(
        "process ", pid, " ",
        ReadFile(absl::StrCat("/proc/", pid, "/comm"), 64).value_or("")));
  }
  std::vector<std::string> directories = {
      dir_ + "/run/guests", dir_ + "/run/jail",
      dir_ + "/state/launcher/journal", dir_ + "/state/overlays"};
  std::error_code error;
  for (const std::string& directory : directories) {
    for (const auto& entry : fs::directory_iterator(directory, error)) {
      found.push_back(entry.path());
    }
  }
  for (const std::string& group : Cgroups()) {
    for (const auto& entry : fs::directory_iterator(group, error)) {
      if (entry.is_directory(error)) found.push_back(entry.path());
    }
  }
  const std::string mounts =
      ReadFile("/proc/self/mountinfo", size_t{1} << 22).value_or("unreadable");
  if (absl::StrContains(mounts, dir_ + "/")) found.push_back("a mount");
  return found;
}

void Lab::CheckNothingLeft() const {
  Eventually([&] { return Leftovers().empty(); });
  EXPECT_THAT(Leftovers(), testing::IsEmpty());
}

void Lab::Purge() {
  if (launcher_ != 0) {
    kill(launcher_, SIGKILL);
    waitpid(launcher_, nullptr, 0);
  }
  Eventually([&] {
    const std::vector<pid_t> processes = Processes(true);
    for (const pid_t pid : processes) kill(pid, SIGKILL);
    return processes.empty();
  });
  for (const std::string& group : Cgroups()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(group, error)) {
      if (entry.is_directory(error)) rmdir(entry.path().c_str());
    }
    rmdir(group.c_str());
  }
  fs::remove_all(dir_);
}

v1::LaunchGuestRequest LinuxGuest(absl::string_view id,
                                  absl::string_view owner) {
  v1::LaunchGuestRequest request = PausedGuest(id, owner);
  v1::GuestSpec* spec = request.mutable_guest()->mutable_spec();
  spec->set_start_paused(false);
  spec->set_acceleration(v1::GuestSpec::ACCELERATION_UNSPECIFIED);
  spec->set_memory_bytes(256 << 20);
  spec->set_kernel("pools/main/volumes/vmlinuz");
  spec->set_initrd("pools/main/volumes/initrd.img");
  const std::string line =
      ReadFile(absl::StrCat(getenv("INNKEEPER_TEST_GUEST"), "/cmdline"), 4096)
          .value_or("");
  spec->set_kernel_command_line(line.substr(0, line.find('\n')));
  v1::GuestSpec::Disk* disk = spec->add_disks();
  disk->set_volume("pools/main/volumes/disk.raw");
  disk->set_format(v1::GuestSpec::Disk::RAW);
  disk->set_mode(v1::GuestSpec::Disk::EPHEMERAL);
  return request;
}

}  // namespace innkeeper
