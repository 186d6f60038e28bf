#include "agent/launcher/launch_attempt.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/block_device.h"
#include "agent/launcher/cgroup.h"
#include "agent/launcher/guest_launcher.h"
#include "agent/launcher/mounts.h"
#include "agent/launcher/named_network.h"
#include "agent/launcher/namespaces.h"
#include "agent/launcher/overlay.h"
#include "agent/launcher/persistent_state.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/resolved_context.h"
#include "agent/launcher/security_label.h"
#include "agent/launcher/user_namespace.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// From clone to exec takes milliseconds; a host under load takes longer.
constexpr absl::Duration kExecPatience = absl::Seconds(10);

// Of a QEMU that has no file to write.
constexpr int64_t kLeastFileBytes = int64_t{1} << 20;

constexpr int kConsoleBufferBytes = 512 * 1024;

const LaunchStepInfo& InfoOf(LaunchStep step) {
  return kLaunchSteps[std::min<size_t>(static_cast<size_t>(step),
                                       kLaunchStepCount - 1)];
}

// How large any file of `plan`'s QEMU has reason to get. The limit is one for
// all of a process's files: the largest counts. Block devices have their size
// and are not subject to it.
int64_t MaxFileBytes(const LaunchPlan& plan, const ImagePools& pools) {
  int64_t most = plan.firmware == PlannedFirmware::kNone
                     ? kLeastFileBytes
                     : kMaxUefiVariablesBytes;
  for (const PlannedImage& image : plan.images) {
    if (pools.IsBlockPool(image.pool)) continue;
    most = std::max(most, image.max_bytes);
  }
  for (const PlannedOverlay& overlay : plan.overlays) {
    most = std::max(most, MaxOverlayFileBytes(overlay.virtual_bytes));
  }
  return most;
}

bool HasUserNamespace(const LaunchPlan& plan) {
  return plan.context.namespaces.user == NamespaceMode::kNew;
}

}  // namespace

absl::StatusOr<Launched> LaunchAttempt::Run() {
  for (const LaunchStepInfo& info : kLaunchSteps) {
    if (info.process != LaunchProcess::kLauncher) continue;
    if (!IsTaken(info, HasUserNamespace(plan_))) continue;
    const absl::Status status = RunStep(info.step);
    if (status.ok()) continue;
    if (begun_) {
      const absl::Status discarded = launcher_.Discard(plan_.guest);
      if (!discarded.ok()) {
        LogError("launch.undo_failed",
                 {{"guest", plan_.guest}, {"error", discarded.message()}});
      }
    }
    return WithStep(status, info.step);
  }
  return std::move(launched_);
}

absl::Status LaunchAttempt::RunStep(LaunchStep step) {
  switch (step) {
    case LaunchStep::kCheck:
      return Check();
    case LaunchStep::kAllocateUids:
      return AllocateUids();
    case LaunchStep::kRecordIntent:
      return RecordIntent();
    case LaunchStep::kMakeGuestDir:
      return MakeGuestDir();
    case LaunchStep::kPrepareState:
      return PrepareState();
    case LaunchStep::kMakeCgroups:
      return MakeCgroups();
    case LaunchStep::kMakeTaps:
      return MakeTaps();
    case LaunchStep::kOpenResources:
      return OpenResources();
    case LaunchStep::kLimitIo:
      return LimitIo();
    case LaunchStep::kOpenNamespaces:
      return OpenNamespaces();
    case LaunchStep::kMakeUserNamespace:
      return MakeUserNamespace();
    case LaunchStep::kClone:
      return Clone();
    case LaunchStep::kRelease:
      return ReleaseChild();
    case LaunchStep::kAwaitExec:
      return AwaitExec();
    case LaunchStep::kRecordLaunched:
      return RecordLaunched();
    default:
      return absl::InternalError("a step of another process");
  }
}

// A fault that nobody could name better says which step it met. Those that say
// what the caller can do about it stay as they are.
absl::Status LaunchAttempt::WithStep(const absl::Status& status,
                                     LaunchStep step) const {
  const ErrorDetails details = DetailsOf(status);
  if (details.reason != reason::kSystemError && !details.reason.empty()) {
    return status;
  }
  const char* const name = InfoOf(step).name;
  Error error(absl::StatusCode::kInternal, reason::kGuestLaunchFailed,
              absl::StrCat("launch of guest '", plan_.guest, "' failed at ",
                           name, ": ", status.message()));
  error.With("guest", plan_.guest).With("step", name);
  const auto number = details.metadata.find("errno");
  if (number != details.metadata.end()) error.With("errno", number->second);
  return error;
}

absl::Status LaunchAttempt::Check() {
  RETURN_IF_ERROR(ValidatePlan(plan_));
  const std::vector<std::string>& qemus = launcher_.config_.qemus;
  if (std::find(qemus.begin(), qemus.end(), plan_.argv[0]) == qemus.end()) {
    return Error(absl::StatusCode::kPermissionDenied, reason::kLauncherRefused,
                 absl::StrCat("'", plan_.argv[0],
                              "' is not a QEMU that this host permits; see the "
                              "launcher's flag --qemu"))
        .With("binary", plan_.argv[0]);
  }
  if (launcher_.guests_.count(plan_.guest) != 0) {
    return Error(absl::StatusCode::kAlreadyExists, reason::kGuestExists,
                 absl::StrCat("guest '", plan_.guest, "' exists already"))
        .With("guest", plan_.guest);
  }
  // What it keeps is named by its uid: two guests never share that.
  for (const auto& [guest, entry] : launcher_.guests_) {
    if (entry.uid != plan_.uid) continue;
    return Error(absl::StatusCode::kAlreadyExists, reason::kGuestExists,
                 absl::StrCat("guest '", guest, "' has the uid ", plan_.uid,
                              " already"))
        .With("guest", guest);
  }
  group_ = GroupOf(plan_.context.cgroup.slice, plan_.guest);
  // Another instance's, with the same --cgroup-parent: to undo this launch
  // would be to kill that guest.
  if (!launcher_.cgroups_.Members(group_).empty()) {
    return Error(absl::StatusCode::kAlreadyExists, reason::kGuestExists,
                 absl::StrCat("the control group of guest '", plan_.guest,
                              "' has processes that are not this instance's; "
                              "use another id or another --cgroup-parent"))
        .With("guest", plan_.guest);
  }
  RETURN_IF_ERROR(CheckFirmware());
  const size_t limit = static_cast<size_t>(launcher_.config_.max_guests);
  if (launcher_.guests_.size() >= limit) {
    return Error(absl::StatusCode::kResourceExhausted, reason::kTooManyGuests,
                 absl::StrCat("this host has its ", limit,
                              " guests; release one or raise --max-guests"))
        .With("max_guests", absl::StrCat(limit));
  }
  const int64_t most = launcher_.config_.max_file_bytes;
  const int64_t largest = MaxFileBytes(plan_, launcher_.pools_);
  if (largest > most) {
    return Error(absl::StatusCode::kPermissionDenied, reason::kLauncherRefused,
                 absl::StrCat("a disk of guest '", plan_.guest,
                              "' may get as large as ", largest,
                              " bytes, and this host permits ", most,
                              "; take a smaller one or raise the launcher's "
                              "flag --max-file-bytes"))
        .With("guest", plan_.guest)
        .With("max_file_bytes", absl::StrCat(most));
  }
  if (!plan_.taps.empty()) {
    RETURN_IF_ERROR(launcher_.taps_.Check(plan_.taps, launcher_.LiveTaps()));
  }
  RETURN_IF_ERROR(CheckContext());
  INNKEEPER_FAILPOINT("launcher.launch.check");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::CheckContext() {
  const LaunchContext& context = plan_.context;
  const LauncherConfig& config = launcher_.config_;
  ContextOffer offer = launcher_.offer_;
  if (context.namespaces.network == NamespaceMode::kNamed) {
    offer.networks.emplace();
    absl::StatusOr<UniqueFd> opened =
        OpenNamedNetwork(context.namespaces.network_name);
    if (opened.ok()) {
      named_network_ = *std::move(opened);
      offer.networks->insert(context.namespaces.network_name);
    }
  }
  ASSIGN_OR_RETURN(context_,
                   ResolveContext(context, plan_.owner, config.context, offer));
  if (context_.root.empty()) return absl::OkStatus();
  return CheckRootTree(context_.root, plan_.argv[0]);
}

const FirmwareFiles& LaunchAttempt::Firmware() const {
  return plan_.firmware == PlannedFirmware::kUefiSecureBoot
             ? launcher_.config_.secure_boot
             : launcher_.config_.uefi;
}

absl::Status LaunchAttempt::CheckFirmware() const {
  if (plan_.firmware == PlannedFirmware::kNone || Firmware().installed()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kFirmwareUnavailable,
               "this host does not have the firmware; install the package "
               "ovmf and start the launcher anew, or see its flags "
               "--uefi-firmware and --secure-boot-firmware");
}

absl::Status LaunchAttempt::AllocateUids() {
  // Always a pair, whatever the context names: the keeper's is of it, and so is
  // what tells the guest's label from all others.
  ASSIGN_OR_RETURN(entry_.unix_uid,
                   launcher_.uids_.Allocate(launcher_.LiveUids()));
  if (context_.has_pool_identity()) {
    context_.qemu.uid = context_.qemu.gid = entry_.unix_uid;
  }
  entry_.qemu_uid = context_.qemu.uid;
  entry_.qemu_gid = context_.qemu.gid;
  entry_.slice = plan_.context.cgroup.slice;
  const LaunchLabel& selinux = plan_.context.selinux;
  entry_.selinux_label =
      selinux.unique ? UniqueSelinuxLabel(selinux.value, entry_.unix_uid)
                     : selinux.value;
  INNKEEPER_FAILPOINT("launcher.launch.allocate_uids");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::RecordIntent() {
  entry_.guest = plan_.guest;
  entry_.uid = plan_.uid;
  entry_.boot_id = launcher_.boot_id_;
  entry_.taps = Taps::Name(plan_.taps);
  entry_.made_state = plan_.firmware != PlannedFirmware::kNone &&
                      !launcher_.state_.Has(plan_.uid);
  begun_ = true;
  launcher_.guests_[plan_.guest] = entry_;
  RETURN_IF_ERROR(launcher_.journal_.Write(entry_));
  INNKEEPER_FAILPOINT("launcher.launch.record_intent");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::MakeGuestDir() {
  const uid_t keeper = UidPool::KeeperUid(entry_.unix_uid);
  ASSIGN_OR_RETURN(dir_, launcher_.dirs_.Make(plan_, keeper));
  INNKEEPER_FAILPOINT("launcher.launch.make_guest_dir");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::PrepareState() {
  if (plan_.firmware != PlannedFirmware::kNone) {
    RETURN_IF_ERROR(launcher_.state_.Make(plan_.uid));
  }
  INNKEEPER_FAILPOINT("launcher.launch.prepare_state");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::MakeCgroups() {
  RETURN_IF_ERROR(
      launcher_.cgroups_.Make(group_, plan_.limits, plan_.context.cgroup));
  INNKEEPER_FAILPOINT("launcher.launch.make_cgroups");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::MakeTaps() {
  if (!plan_.taps.empty()) {
    ASSIGN_OR_RETURN(tap_queues_, launcher_.taps_.Make(plan_.taps, entry_.taps,
                                                       launcher_.LiveTaps()));
  }
  INNKEEPER_FAILPOINT("launcher.launch.make_taps");
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> LaunchAttempt::MakeConsole() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(errno, "make the console");
  }
  UniqueFd qemu(ends[0]);
  // QEMU writes byte by byte, and the kernel counts far more than a byte for
  // each. Failing to get more room costs speed only.
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &kConsoleBufferBytes,
             sizeof(kConsoleBufferBytes));
  held_.emplace_back(ends[1]);
  jail_.keeper_has_console = true;
  jail_.keeper_fds.push_back({ends[1], kKeeperConsole});
  jail_.keeper_fds.push_back({dir_.console.get(), kKeeperListener});
  return qemu;
}

absl::StatusOr<UniqueFd> LaunchAttempt::OpenPlanned(const PlannedFd& fd) {
  switch (fd.kind) {
    case FdKind::kConsole:
      return MakeConsole();
    case FdKind::kQmp:
      jail_.listeners.push_back(fd.number);
      return std::move(dir_.qmp);
    case FdKind::kBreakGlass:
      jail_.listeners.push_back(fd.number);
      return std::move(dir_.break_glass);
    case FdKind::kRam:
      return MakeRam(plan_.ram_bytes);
    case FdKind::kImage: {
      const PlannedImage& image = plan_.images[static_cast<size_t>(fd.index)];
      return launcher_.pools_.OpenImage(
          image.pool, image.name,
          image.writable ? ImageUse::kWrite : ImageUse::kRead);
    }
    case FdKind::kOverlay:
      return MakeOverlay(
          launcher_.OverlayDir(),
          plan_.overlays[static_cast<size_t>(fd.index)].virtual_bytes);
    case FdKind::kTapQueue:
      return std::move(tap_queues_[static_cast<size_t>(fd.index)]);
    case FdKind::kFirmwareCode: {
      UniqueFd code(open(Firmware().code.c_str(), O_RDONLY | O_CLOEXEC));
      if (!code.valid()) {
        return ErrnoError(errno, absl::StrCat("open ", Firmware().code));
      }
      return code;
    }
    case FdKind::kFirmwareVariables:
      return launcher_.state_.OpenVariables(plan_.uid, Firmware().variables);
  }
  return absl::InternalError("unknown kind of descriptor");
}

absl::Status LaunchAttempt::OpenResources() {
  const bool limits_io = HasIoLimit(plan_.context.cgroup);
  for (const PlannedFd& planned : plan_.fds) {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenPlanned(planned));
    if (limits_io &&
        (planned.kind == FdKind::kImage || planned.kind == FdKind::kOverlay)) {
      ASSIGN_OR_RETURN(const dev_t device, BlockDeviceOf(fd.get()));
      disks_.insert(device);
    }
    jail_.qemu_fds.push_back({fd.get(), planned.number});
    held_.push_back(std::move(fd));
  }
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  held_.emplace_back(output[0]);
  held_.emplace_back(output[1]);
  jail_.output = output[1];
  jail_.keeper_fds.push_back({output[0], kKeeperErrors});
  jail_.keeper_fds.push_back({dir_.log.get(), kKeeperLogDir});
  const std::string& keeper = launcher_.config_.keeper;
  UniqueFd binary(open(keeper.c_str(), O_PATH | O_CLOEXEC));
  if (!binary.valid()) return ErrnoError(errno, absl::StrCat("open ", keeper));
  jail_.keeper_binary = binary.get();
  held_.push_back(std::move(binary));
  ASSIGN_OR_RETURN(channel_, MakeStatusChannel());
  INNKEEPER_FAILPOINT("launcher.launch.open_resources");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::LimitIo() {
  RETURN_IF_ERROR(
      launcher_.cgroups_.LimitIo(group_, plan_.context.cgroup, disks_));
  INNKEEPER_FAILPOINT("launcher.launch.limit_io");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::OpenNamespaces() {
  UniqueFd network = std::move(named_network_);
  if (plan_.context.namespaces.network == NamespaceMode::kNew) {
    ASSIGN_OR_RETURN(network, launcher_.networks_.Take());
  }
  jail_.network = network.valid() ? network.get() : -1;
  held_.push_back(std::move(network));
  INNKEEPER_FAILPOINT("launcher.launch.open_namespaces");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::MakeUserNamespace() {
  ASSIGN_OR_RETURN(UniqueFd made, innkeeper::MakeUserNamespace(context_.qemu));
  jail_.user_namespace = made.get();
  held_.push_back(std::move(made));
  INNKEEPER_FAILPOINT("launcher.launch.make_user_namespace");
  return absl::OkStatus();
}

void LaunchAttempt::FillJail() {
  const LaunchNamespaces& namespaces = plan_.context.namespaces;
  if (namespaces.uts == NamespaceMode::kNew) jail_.hostname = plan_.guest;
  jail_.own_cgroup_namespace = namespaces.cgroup == NamespaceMode::kNew;
  jail_.root = {launcher_.JailMountPoint(), plan_.argv[0], plan_.kvm,
                context_.root};
  // The kernel counts the processes of a uid, whosever they are: a shared one
  // is bounded by the control group alone.
  const bool own_uid = context_.qemu.uid == entry_.unix_uid;
  jail_.max_processes = own_uid ? plan_.limits.pids : 0;
  jail_.oom_score = context_.oom_score;
  jail_.environment = context_.environment;
  jail_.qemu_limits = context_.rlimits;
  jail_.nice = context_.nice;
  jail_.cpus = context_.cpus;
  jail_.labels = {entry_.selinux_label, plan_.context.apparmor.value};
  jail_.landlock_abi = context_.landlock_abi;
  jail_.qemu = context_.qemu;
}

absl::Status LaunchAttempt::Clone() {
  FillJail();
  jail_.status_channel = channel_.child.get();
  jail_.argv = plan_.argv;
  jail_.max_file_bytes = MaxFileBytes(plan_, launcher_.pools_);
  jail_.keeper.uid = jail_.keeper.gid = UidPool::KeeperUid(entry_.unix_uid);
  ASSIGN_OR_RETURN(const UniqueFd cgroup,
                   launcher_.cgroups_.OpenUnified(group_));
  ASSIGN_OR_RETURN(const std::vector<UniqueFd> groups,
                   launcher_.cgroups_.OpenV1(group_));
  for (const UniqueFd& group : groups) jail_.cgroups.push_back(group.get());
  NewNamespaces namespaces;
  namespaces.ipc = plan_.context.namespaces.ipc == NamespaceMode::kNew;
  namespaces.uts = plan_.context.namespaces.uts == NamespaceMode::kNew;
  namespaces.time = plan_.context.namespaces.time == NamespaceMode::kNew;
  ASSIGN_OR_RETURN(const ClonedProcess init,
                   CloneIntoNamespaces(namespaces, cgroup));
  if (init.pid == 0) {
    // The launcher's end, if kept, would hide that the launcher is gone.
    channel_.launcher.reset();
    RunJail(jail_);
  }
  entry_.keeper_pid = init.pid;
  // What was opened for the guest must be open in the guest only.
  held_.clear();
  tap_queues_.clear();
  dir_ = GuestDirFds();
  channel_.child.reset();
  INNKEEPER_FAILPOINT("launcher.launch.clone");
  ASSIGN_OR_RETURN(const ProcStat stat, ReadProcStat(absl::StrCat(init.pid)));
  entry_.keeper_start_time_ticks = stat.start_time_ticks;
  return absl::OkStatus();
}

absl::Status LaunchAttempt::ReleaseChild() {
  if (send(channel_.launcher.get(), "g", 1, MSG_NOSIGNAL) != 1) {
    return ErrnoError(errno, "tell the guest's process to go on");
  }
  INNKEEPER_FAILPOINT("launcher.launch.release");
  return absl::OkStatus();
}

absl::Status LaunchAttempt::HandleReport(ReceivedReport received) {
  const ChildReport& report = received.report;
  switch (report.kind) {
    case ChildReport::Kind::kFailed: {
      Error error(absl::StatusCode::kInternal, reason::kSystemError,
                  report.text);
      error.With("errno", absl::StrCat(report.error));
      return WithStep(error, report.step);
    }
    case ChildReport::Kind::kForked:
      launched_.pidfd = std::move(received.fd);
      return absl::OkStatus();
    case ChildReport::Kind::kQemuReady:
      // Seen by the kernel, not said by the process: it has dropped.
      if (received.uid != jail_.qemu.uid) {
        return ErrnoError(EPERM, "QEMU has the wrong uid");
      }
      entry_.pid = received.pid;
      entry_.start_time_ticks = report.start_time_ticks;
      qemu_ready_ = true;
      INNKEEPER_FAILPOINT("launcher.launch.qemu_ready");
      return absl::OkStatus();
    case ChildReport::Kind::kKeeperReady:
      if (received.uid != jail_.keeper.uid) {
        return ErrnoError(EPERM, "the keeper has the wrong uid");
      }
      keeper_ready_ = true;
      return absl::OkStatus();
  }
  return ErrnoError(EBADMSG, "an unknown report");
}

absl::Status LaunchAttempt::AwaitExec() {
  const absl::Time deadline = absl::Now() + kExecPatience;
  while (true) {
    ASSIGN_OR_RETURN(ReceivedReport received,
                     ReceiveReport(channel_.launcher.get(), deadline));
    if (received.closed) break;
    RETURN_IF_ERROR(HandleReport(std::move(received)));
  }
  if (!qemu_ready_ || !keeper_ready_ || !launched_.pidfd.valid()) {
    return ErrnoError(ECHILD, "a process of the guest died before its program");
  }
  RETURN_IF_ERROR(VerifyLabels(entry_.pid, jail_.labels));
  INNKEEPER_FAILPOINT("launcher.launch.await_exec");
  return absl::OkStatus();
}

// Between guests of one uid it is namespaces, groups and labels that count.
void LaunchAttempt::WarnOfSharedUid() const {
  std::vector<std::string> others;
  for (const auto& [guest, entry] : launcher_.guests_) {
    if (guest == plan_.guest || entry.qemu_uid != entry_.qemu_uid) continue;
    others.push_back(guest);
  }
  if (others.empty()) return;
  LogWarning("launch.uid_shared", {{"guest", plan_.guest},
                                   {"uid", entry_.qemu_uid},
                                   {"guests", others.size() + 1},
                                   {"with", others.front()}});
}

absl::Status LaunchAttempt::RecordLaunched() {
  entry_.launched = true;
  entry_.made_state = false;
  RETURN_IF_ERROR(launcher_.journal_.Write(entry_));
  INNKEEPER_FAILPOINT("launcher.launch.record_launched");
  WarnOfSharedUid();
  launcher_.guests_[plan_.guest] = entry_;
  launched_.pid = entry_.pid;
  launched_.keeper_pid = entry_.keeper_pid;
  launched_.unix_uid = jail_.qemu.uid;
  launched_.unix_gid = jail_.qemu.gid;
  launched_.start_time_ticks = entry_.start_time_ticks;
  for (const JournalTap& tap : entry_.taps) {
    launched_.taps.push_back(tap.device);
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
