#include "agent/launcher/jail.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agent/launch/launch_steps.h"
#include "agent/launcher/cgroup.h"
#include "agent/launcher/child_report.h"
#include "agent/launcher/credentials.h"
#include "agent/launcher/fd_table.h"
#include "agent/launcher/landlock.h"
#include "agent/launcher/mounts.h"
#include "agent/launcher/namespaces.h"
#include "agent/launcher/net_namespaces.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/rlimits.h"
#include "agent/launcher/scheduling.h"
#include "agent/launcher/security_label.h"
#include "agent/launcher/user_namespace.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr int kBacklog = 4;

// One of the processes of a jail, on its way to exec. The status channel moves
// to kKeptFd when the descriptors are arranged.
struct Progress {
  const JailSpec& spec;
  int channel;
  int user_namespace;
  int qemu_pid = 0;  // In the guest's pid namespace.
};

void RunSteps(LaunchProcess process, Progress& progress);

absl::Status AwaitGo(const Progress& progress) {
  char word;
  if (recv(progress.channel, &word, 1, 0) == 1) return absl::OkStatus();
  return ErrnoError(EPIPE, "wait for the launcher");
}

absl::Status EnterCgroups(const JailSpec& spec) {
  for (const int group : spec.cgroups) RETURN_IF_ERROR(EnterCgroup(group));
  return absl::OkStatus();
}

// The handlers and mask of the launcher must not reach QEMU.
void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

absl::Status DetachFromHost(const JailSpec& spec) {
  ResetSignals();
  if (setsid() < 0) return ErrnoError(errno, "setsid");
  return spec.own_cgroup_namespace ? EnterCgroupNamespace() : absl::OkStatus();
}

absl::Status LimitResources(const JailSpec& spec) {
  RETURN_IF_ERROR(SetOomScore(spec.oom_score));
  return LimitGuest(spec.max_processes, spec.qemu_limits);
}

absl::Status NameHost(const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  if (sethostname(name.data(), name.size()) != 0) {
    return ErrnoError(errno, "sethostname");
  }
  return absl::OkStatus();
}

absl::Status ForkQemu(Progress& progress) {
  ASSIGN_OR_RETURN(const ClonedProcess qemu, CloneProcess());
  if (qemu.pid == 0) {
    RunSteps(LaunchProcess::kQemu, progress);
    _exit(1);
  }
  progress.qemu_pid = qemu.pid;
  ChildReport report;
  report.kind = ChildReport::Kind::kForked;
  SendReport(progress.channel, report, qemu.pidfd.get());
  return absl::OkStatus();
}

// A bare number: ArrangeFds() closes it, and an owner that closed it again
// would close whatever has the number by then.
absl::StatusOr<int> OpenNull(int flags) {
  const int null = open("/dev/null", flags | O_CLOEXEC);
  if (null < 0) return ErrnoError(errno, "open /dev/null");
  return null;
}

// A number that none of `places` has; a plan has fewer than there are.
int FreeNumber(const std::vector<FdPlace>& places) {
  int number = kKeptFd - 1;
  while (std::any_of(places.begin(), places.end(),
                     [number](const FdPlace& p) { return p.to == number; })) {
    --number;
  }
  return number;
}

absl::Status ArrangeQemuFds(Progress& progress) {
  ASSIGN_OR_RETURN(const int null, OpenNull(O_RDONLY));
  std::vector<FdPlace> places = progress.spec.qemu_fds;
  places.push_back({null, STDIN_FILENO});
  places.push_back({progress.spec.output, STDOUT_FILENO});
  places.push_back({progress.spec.output, STDERR_FILENO});
  const int user_namespace =
      progress.user_namespace < 0 ? -1 : FreeNumber(places);
  if (user_namespace >= 0) {
    places.push_back({progress.user_namespace, user_namespace});
  }
  RETURN_IF_ERROR(ArrangeFds(places, progress.channel));
  progress.channel = kKeptFd;
  progress.user_namespace = user_namespace;
  // ArrangeFds leaves places open across exec; this one must not be.
  if (user_namespace >= 0) fcntl(user_namespace, F_SETFD, FD_CLOEXEC);
  return absl::OkStatus();
}

absl::Status ArrangeKeeperFds(Progress& progress) {
  ASSIGN_OR_RETURN(const int null, OpenNull(O_RDWR));
  std::vector<FdPlace> places = progress.spec.keeper_fds;
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    places.push_back({null, standard});
  }
  places.push_back({progress.spec.keeper_binary, kKeeperBinary});
  RETURN_IF_ERROR(ArrangeFds(places, progress.channel));
  progress.channel = kKeptFd;
  // ArrangeFds leaves places open across exec; this one must not be.
  fcntl(kKeeperBinary, F_SETFD, FD_CLOEXEC);
  return absl::OkStatus();
}

absl::Status Listen(int fd) {
  if (listen(fd, kBacklog) != 0) {
    return ErrnoError(errno, absl::StrCat("listen on descriptor ", fd));
  }
  return absl::OkStatus();
}

absl::Status ListenForMonitors(const JailSpec& spec) {
  for (const int listener : spec.listeners) RETURN_IF_ERROR(Listen(listener));
  return absl::OkStatus();
}

absl::Status ExecQemu(const Progress& progress) {
  ASSIGN_OR_RETURN(const ProcStat self, ReadProcStat("self"));
  ChildReport report;
  report.kind = ChildReport::Kind::kQemuReady;
  report.start_time_ticks = self.start_time_ticks;
  SendReport(progress.channel, report, -1);
  std::vector<char*> argv;
  for (const std::string& argument : progress.spec.argv) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  std::vector<const char*> environment = {"PATH=/usr/bin:/bin", "LANG=C",
                                          "HOME=/"};
  for (const std::string& variable : progress.spec.environment) {
    environment.push_back(variable.c_str());
  }
  environment.push_back(nullptr);
  execve(argv[0], argv.data(), const_cast<char**>(environment.data()));
  return ErrnoError(errno, absl::StrCat("execute ", argv[0]));
}

absl::Status LimitQemuAlone(const JailSpec& spec) {
  RETURN_IF_ERROR(Schedule(spec.nice, spec.cpus));
  return LimitQemu(spec.max_file_bytes, spec.qemu_limits);
}

bool IsReadOnlyFile(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
         (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
}

absl::Status ConfineFilesOf(const JailSpec& spec) {
  if (spec.landlock_abi == 0) return absl::OkStatus();
  // Without /dev/null to write to QEMU finds no way to lock images.
  std::vector<std::string> writable = {"/dev/null"};
  if (spec.root.kvm) writable.push_back("/dev/kvm");
  // QEMU opens a kernel and an initrd anew, by /proc/self/fd; they lie outside
  // of its root.
  std::vector<int> readable;
  for (const FdPlace& placed : spec.qemu_fds) {
    if (IsReadOnlyFile(placed.to)) readable.push_back(placed.to);
  }
  return ConfineFiles(spec.landlock_abi, writable, readable);
}

absl::Status DropToKeeper(const JailSpec& spec) {
  RETURN_IF_ERROR(LimitKeeper());
  return DropTo(spec.keeper);
}

absl::Status ExecKeeper(const Progress& progress) {
  ChildReport report;
  report.kind = ChildReport::Kind::kKeeperReady;
  SendReport(progress.channel, report, -1);
  std::string name = "innkeeper-keeper";
  std::string qemu_pid = absl::StrCat(progress.qemu_pid);
  std::string console =
      progress.spec.keeper_has_console ? "console" : "no-console";
  char* const argv[] = {name.data(), qemu_pid.data(), console.data(), nullptr};
  char* const environment[] = {nullptr};
  execveat(kKeeperBinary, "", argv, environment, AT_EMPTY_PATH);
  return ErrnoError(errno, "execute the keeper");
}

absl::Status RunStep(LaunchStep step, Progress& progress) {
  const JailSpec& spec = progress.spec;
  switch (step) {
    case LaunchStep::kEnterCgroups:
      return EnterCgroups(spec);
    case LaunchStep::kEnterNetwork:
      return spec.network < 0 ? absl::OkStatus()
                              : EnterNetNamespace(spec.network);
    case LaunchStep::kAwaitGo:
      return AwaitGo(progress);
    case LaunchStep::kDetachFromHost:
      return DetachFromHost(spec);
    case LaunchStep::kLimitResources:
      return LimitResources(spec);
    case LaunchStep::kNameHost:
      return NameHost(spec.hostname);
    case LaunchStep::kEnterRoot:
      return EnterRoot(spec.root);
    case LaunchStep::kForkQemu:
      return ForkQemu(progress);
    case LaunchStep::kArrangeQemuFds:
      return ArrangeQemuFds(progress);
    case LaunchStep::kLimitQemu:
      return LimitQemuAlone(spec);
    case LaunchStep::kLabelQemu:
      return SetExecLabels(spec.labels);
    case LaunchStep::kEnterUserNamespace:
      return EnterUserNamespace(progress.user_namespace);
    case LaunchStep::kConfineFiles:
      return ConfineFilesOf(spec);
    case LaunchStep::kDropToQemu:
      return DropTo(spec.qemu);
    case LaunchStep::kListenForMonitors:
      return ListenForMonitors(spec);
    case LaunchStep::kExecQemu:
      return ExecQemu(progress);
    case LaunchStep::kArrangeKeeperFds:
      return ArrangeKeeperFds(progress);
    case LaunchStep::kDropToKeeper:
      return DropToKeeper(spec);
    case LaunchStep::kListenForConsole:
      return spec.keeper_has_console ? Listen(kKeeperListener)
                                     : absl::OkStatus();
    case LaunchStep::kExecKeeper:
      return ExecKeeper(progress);
    default:
      return absl::InternalError("a step of another process");
  }
}

void RunSteps(LaunchProcess process, Progress& progress) {
  for (const LaunchStepInfo& info : kLaunchSteps) {
    if (info.process != process) continue;
    if (!IsTaken(info, progress.spec.user_namespace >= 0)) continue;
    const absl::Status status = RunStep(info.step, progress);
    if (status.ok()) continue;
    SendReport(progress.channel, FailureReport(info.step, status), -1);
    // No destructors: what they would close or undo belongs to the launcher.
    _exit(1);
  }
}

}  // namespace

void RunJail(const JailSpec& spec) {
  Progress progress = {spec, spec.status_channel, spec.user_namespace};
  RunSteps(LaunchProcess::kInit, progress);
  RunSteps(LaunchProcess::kKeeper, progress);
  _exit(1);
}

}  // namespace innkeeper
