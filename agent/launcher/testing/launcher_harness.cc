#include "agent/launcher/testing/launcher_harness.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launcher/cgroup.h"
#include "agent/launcher/proc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

// 20 s, or as many times that as INNKEEPER_TEST_SLOWNESS says: on a machine
// without KVM everything takes longer.
absl::Duration Patience() {
  const char* const text = getenv("INNKEEPER_TEST_SLOWNESS");
  int slowness = 1;
  if (text != nullptr && !absl::SimpleAtoi(text, &slowness)) abort();
  return slowness * absl::Seconds(20);
}
constexpr uint32_t kTestUidCount = 1000;

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

template <typename T>
absl::StatusOr<T> Await(const std::function<void(Completion<T>)>& call) {
  // Shared: an answer that comes too late must find something to be put into.
  struct State {
    absl::Notification answered;
    absl::StatusOr<T> result = absl::UnknownError("unanswered");
  };
  auto state = std::make_shared<State>();
  call([state](absl::StatusOr<T> result) {
    state->result = std::move(result);
    state->answered.Notify();
  });
  if (!state->answered.WaitForNotificationWithTimeout(Patience())) {
    return absl::DeadlineExceededError("the test's patience is over");
  }
  return std::move(state->result);
}

absl::Status AwaitStatus(const std::function<void(StatusCompletion)>& call) {
  return Await<bool>([&](Completion<bool> done) {
           call([done = std::move(done)](const absl::Status& status) mutable {
             if (status.ok()) return done(true);
             done(status);
           });
         })
      .status();
}

}  // namespace

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + Patience();
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

LauncherHarness::LauncherHarness() {
  // Not the test's own directory: the agent's user must be able to reach it.
  char path[] = "/tmp/ik-XXXXXX";
  if (mkdtemp(path) == nullptr) abort();
  dir_ = path;
  chmod(path, 0755);
  instance_ = absl::AsciiStrToLower(absl::StrCat("t", dir_.substr(8)));
  const char* const binaries[] = {
      "agent/launcher/innkeeper-launcher", "agent/keeper/innkeeper-keeper",
      "agent/launcher/testing/relay_agent", "agent/launcher/testing/fake_qemu"};
  for (const std::string binary : binaries) {
    fs::copy_file(binary, dir_ + binary.substr(binary.rfind('/')));
  }
  fs::create_directory(pool_dir());
  listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string socket_path = dir_ + "/agent.sock";
  strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
  if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
           sizeof(address)) != 0 ||
      listen(listener_.get(), 8) != 0 || chmod(socket_path.c_str(), 0777)) {
    abort();
  }
}

LauncherHarness::~LauncherHarness() {
  if (pid_ == 0 || client_ == nullptr) {
    // Guests may have outlived their launcher: a new one can release them.
    Kill();
    EXPECT_TRUE(Start().ok());
  }
  if (client_ != nullptr) {
    const auto guests = List();
    EXPECT_TRUE(guests.ok()) << guests.status();
    if (guests.ok()) {
      for (const KnownGuest& guest : *guests) {
        EXPECT_TRUE(Release(guest.guest).ok());
      }
    }
  }
  EXPECT_EQ(Stop(), 0);
  fs::remove_all(dir_);
}

void LauncherHarness::Spawn(const std::vector<std::string>& environment,
                            const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {
      launcher_binary(),
      "--instance=" + instance_,
      "--agent=" + dir_ + "/relay_agent",
      absl::StrCat("--agent-user=", kTestAgentUid, ":", kTestAgentGid),
      "--run-dir=" + run_dir(),
      "--state-dir=" + state_dir(),
      "--pool=disks=" + pool_dir(),
      "--qemu=/usr/bin/qemu-system-x86_64",
      "--qemu=" + fake_qemu(),
      "--keeper=" + dir_ + "/innkeeper-keeper",
      absl::StrCat("--uid-base=", kTestUidBase),
      absl::StrCat("--uid-count=", kTestUidCount)};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  arguments.push_back("--");
  arguments.push_back(dir_ + "/agent.sock");
  pid_ = fork();
  if (pid_ != 0) return;
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  for (const std::string& variable : environment) {
    putenv(strdup(variable.c_str()));
  }
  execv(argv[0], argv.data());
  _exit(127);
}

absl::Status LauncherHarness::Start(const std::vector<std::string>& environment,
                                    const std::vector<std::string>& flags) {
  Spawn(environment, flags);
  return Connect();
}

absl::Status LauncherHarness::Connect() {
  pollfd waiting = {listener_.get(), POLLIN, 0};
  if (poll(&waiting, 1,
           static_cast<int>(absl::ToInt64Milliseconds(Patience()))) != 1) {
    return absl::DeadlineExceededError("no agent was started");
  }
  relay_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  char byte;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (recvmsg(relay_.get(), &message, MSG_CMSG_CLOEXEC) != 1 ||
      CMSG_FIRSTHDR(&message) == nullptr) {
    return absl::InternalError("the agent sent no descriptor");
  }
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  socket_.reset(fd);
  client_ = std::make_unique<LauncherClient>(&loop_, UniqueFd(dup(fd)));
  return absl::OkStatus();
}

UniqueFd LauncherHarness::TakeSocket() {
  client_.reset();
  return std::move(socket_);
}

void LauncherHarness::Disconnect() {
  client_.reset();
  socket_.reset();
  relay_.reset();
}

void LauncherHarness::Kill() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  Disconnect();
}

bool LauncherHarness::WaitForEnd() {
  int status;
  if (!Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) {
    return false;
  }
  pid_ = 0;
  Disconnect();
  return true;
}

int LauncherHarness::Stop() {
  Disconnect();
  if (pid_ == 0) return 0;
  kill(pid_, SIGTERM);
  int status = -1;
  const pid_t pid = pid_;
  if (!Eventually([&] { return waitpid(pid, &status, WNOHANG) == pid; })) {
    Kill();
    return -1;
  }
  pid_ = 0;
  return status;
}

absl::StatusOr<Launched> LauncherHarness::Launch(const LaunchPlan& plan) {
  return Await<Launched>([&](Completion<Launched> done) {
    client_->Launch(plan, std::move(done));
  });
}

absl::Status LauncherHarness::Kill(const std::string& guest) {
  return AwaitStatus(
      [&](StatusCompletion done) { client_->Kill(guest, std::move(done)); });
}

absl::Status LauncherHarness::Release(const std::string& guest) {
  return AwaitStatus(
      [&](StatusCompletion done) { client_->Release(guest, std::move(done)); });
}

absl::Status LauncherHarness::Forget(const std::string& uid) {
  return AwaitStatus(
      [&](StatusCompletion done) { client_->Forget(uid, std::move(done)); });
}

absl::StatusOr<std::vector<KnownGuest>> LauncherHarness::List() {
  return Await<std::vector<KnownGuest>>(
      [&](Completion<std::vector<KnownGuest>> done) {
        client_->List(std::move(done));
      });
}

absl::StatusOr<ContextOffer> LauncherHarness::Offer() {
  return Await<ContextOffer>(
      [&](Completion<ContextOffer> done) { client_->Offer(std::move(done)); });
}

absl::StatusOr<UniqueFd> LauncherHarness::OpenImage(const std::string& pool,
                                                    const std::string& name) {
  return Await<UniqueFd>([&](Completion<UniqueFd> done) {
    client_->OpenImage(pool, name, std::move(done));
  });
}

absl::StatusOr<GuestFacts> LauncherHarness::InspectGuest(
    const std::string& guest) {
  return Await<GuestFacts>([&](Completion<GuestFacts> done) {
    client_->InspectGuest(guest, std::move(done));
  });
}

absl::StatusOr<InspectReply> LauncherHarness::Inspect(int64_t pid) {
  return Await<InspectReply>([&](Completion<InspectReply> done) {
    client_->Inspect(pid, std::move(done));
  });
}

absl::StatusOr<std::vector<PoolVolume>> LauncherHarness::ListVolumes() {
  return Await<std::vector<PoolVolume>>(
      [&](Completion<std::vector<PoolVolume>> done) {
        client_->ListVolumes(1000, std::move(done));
      });
}

LaunchPlan LauncherHarness::FakePlan(
    const std::string& guest, const std::vector<std::string>& arguments) const {
  LaunchPlan plan;
  plan.guest = guest;
  plan.uid = MakeUuid();
  plan.owner = "user/ada";
  plan.manifest = "manifest of " + guest;
  plan.argv = {fake_qemu()};
  plan.argv.insert(plan.argv.end(), arguments.begin(), arguments.end());
  plan.fds = {{3, FdKind::kConsole, 0}};
  plan.limits = {64 << 20, 500, 16};
  return plan;
}

LaunchPlan LauncherHarness::QemuPlan(const std::string& guest) const {
  LaunchPlan plan = FakePlan(guest, {});
  plan.argv = {
      "/usr/bin/qemu-system-x86_64",
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-S",
      "-accel",
      "tcg",
      "-M",
      "microvm,memory-backend=ram",
      "-m",
      "32M",
      "-object",
      "memory-backend-file,id=ram,size=32M,mem-path=/proc/self/fd/6,share=on",
      "-chardev",
      "socket,id=console,fd=3",
      "-serial",
      "chardev:console",
      "-chardev",
      "socket,id=qmp,fd=4,server=on,wait=off",
      "-mon",
      "chardev=qmp,mode=control",
      "-chardev",
      "socket,id=glass,fd=5,server=on,wait=off",
      "-mon",
      "chardev=glass,mode=control",
      "-sandbox",
      ("on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
       "resourcecontrol=deny")};
  plan.fds = {{3, FdKind::kConsole, 0},
              {4, FdKind::kQmp, 0},
              {5, FdKind::kBreakGlass, 0},
              {6, FdKind::kRam, 0}};
  plan.ram_bytes = 32 << 20;
  plan.limits = {512 << 20, 1500, 64};
  return plan;
}

std::vector<std::string> LauncherHarness::CgroupsOf(
    const std::string& guest) const {
  const CgroupLayout layout =
      ParseCgroupMounts(ReadFile("/proc/self/mountinfo", 1 << 22).value_or(""));
  std::vector<std::string> mounts = {layout.unified, layout.blkio};
  for (const auto& [unused, mount] : layout.v1) mounts.push_back(mount);
  std::vector<std::string> groups;
  for (const std::string& mount : mounts) {
    const std::string group =
        absl::StrCat(mount, "/innkeeper-", instance_, "/", guest);
    if (fs::exists(group)) groups.push_back(group);
  }
  return groups;
}

std::vector<std::string> LauncherHarness::Leftovers() const {
  std::vector<std::string> found;
  for (const std::string& name : NamesIn("/proc")) {
    int64_t pid;
    if (!absl::SimpleAtoi(name, &pid)) continue;
    const absl::StatusOr<InspectReply> process = innkeeper::Inspect(pid);
    if (!process.ok()) continue;
    const uint32_t uid = process->uids[0];
    const absl::StatusOr<ProcStat> stat = ReadProcStat(name);
    if (!stat.ok() || stat->state == 'Z') continue;
    // By uid, and, for one that has not dropped yet, by its program.
    if ((uid >= kTestUidBase && uid < kTestUidBase + kTestUidCount) ||
        (absl::StartsWith(process->exe, dir_) && pid != pid_ &&
         !absl::EndsWith(process->exe, "/relay_agent"))) {
      found.push_back(absl::StrCat("process ", pid, " ", process->exe));
    }
  }
  for (const std::string& parent : CgroupsOf("")) {
    for (const auto& entry : fs::directory_iterator(parent)) {
      if (entry.is_directory()) found.push_back(entry.path());
    }
  }
  for (const std::string& directory :
       {run_dir() + "/guests", run_dir() + "/jail",
        state_dir() + "/launcher/journal", state_dir() + "/overlays",
        state_dir() + "/guests"}) {
    for (const std::string& name : NamesIn(directory)) {
      found.push_back(absl::StrCat(directory, "/", name));
    }
  }
  const std::string mounts =
      ReadFile("/proc/self/mountinfo", 1 << 22).value_or("unreadable");
  if (absl::StrContains(mounts, dir_)) found.push_back("a mount");
  return found;
}

}  // namespace innkeeper
