#include "agent/launcher/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// The controllers that hold limits; freezer serves to kill on version 1.
constexpr absl::string_view kLimiting[] = {"cpu", "memory", "pids"};
constexpr absl::string_view kControllers[] = {"cpu", "memory", "pids",
                                              "freezer"};
// Of version 2, to the groups below; I/O where the kernel can limit it.
constexpr absl::string_view kHandedDown[] = {"cpu", "memory", "pids", "io"};
constexpr size_t kMaxControlBytes = 1 << 20;
constexpr int kCpuPeriodMicros = 100000;
constexpr absl::Duration kPollInterval = absl::Milliseconds(1);
// After which a group that was killed and is not empty is killed again.
constexpr absl::Duration kKillInterval = absl::Milliseconds(100);

absl::Status WriteControl(const std::string& path, absl::string_view value) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  if (write(fd.get(), value.data(), value.size()) < 0) {
    return ErrnoError(errno, absl::StrCat("write '", value, "' to ", path));
  }
  return absl::OkStatus();
}

absl::Status MakeDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST) {
      return ErrnoError(errno, absl::StrCat("mkdir ", path.substr(0, slash)));
    }
  }
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoError(errno, absl::StrCat("mkdir ", path));
  }
  return absl::OkStatus();
}

// None if there is no such group.
absl::StatusOr<std::vector<pid_t>> ReadPids(const std::string& group) {
  std::vector<pid_t> pids;
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(group, "/cgroup.procs"), kMaxControlBytes);
  if (absl::IsNotFound(text.status())) return pids;
  RETURN_IF_ERROR(text.status());
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    pid_t pid;
    if (absl::SimpleAtoi(line, &pid) && pid > 0) pids.push_back(pid);
  }
  return pids;
}

// As ReadPids; none, too, if they cannot be read.
std::vector<pid_t> MembersOf(const std::string& group) {
  return ReadPids(group).value_or(std::vector<pid_t>());
}

// How many processes are waited for at a time: a guest has two, and whoever has
// made more of them dies with those.
constexpr size_t kMaxAwaited = 64;

UniqueFd OpenPid(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

// The ends of the first of `pids`.
class MembersEnd {
 public:
  explicit MembersEnd(const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) {
      if (processes_.size() == kMaxAwaited) break;
      UniqueFd process = OpenPid(pid);
      if (process.valid()) processes_.push_back(std::move(process));
    }
  }

  bool any() const { return !processes_.empty(); }

  // Returns once all have ended, or at `deadline`.
  void Await(absl::Time deadline) const {
    for (const UniqueFd& process : processes_) {
      const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
      pollfd ended = {process.get(), POLLIN, 0};
      if (left <= 0 || poll(&ended, 1, static_cast<int>(left)) <= 0) return;
    }
  }

 private:
  std::vector<UniqueFd> processes_;
};

// A pid that was read may belong to another process by now. One that is still
// in the group after its descriptor was opened belongs to a member, or its
// process is gone and the signal reaches nobody.
void KillMembers(const std::string& group) {
  std::map<pid_t, UniqueFd> opened;
  for (const pid_t pid : MembersOf(group)) opened[pid] = OpenPid(pid);
  for (const pid_t pid : MembersOf(group)) {
    const auto member = opened.find(pid);
    if (member == opened.end() || !member->second.valid()) continue;
    syscall(SYS_pidfd_send_signal, member->second.get(), SIGKILL, nullptr, 0);
  }
}

}  // namespace

CgroupLayout ParseCgroupMounts(absl::string_view mountinfo) {
  CgroupLayout layout;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    // ID PARENT DEV ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE SUPER
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    const std::vector<absl::string_view> left =
        absl::StrSplit(halves.first, ' ');
    const std::vector<absl::string_view> right =
        absl::StrSplit(halves.second, ' ');
    if (left.size() < 6 || right.size() < 3) continue;
    if (right[0] == "cgroup2" && layout.unified.empty()) {
      layout.unified = std::string(left[4]);
    }
    if (right[0] != "cgroup") continue;
    for (const absl::string_view option : absl::StrSplit(right[2], ',')) {
      if (option == "blkio") layout.blkio = std::string(left[4]);
      if (std::find(std::begin(kControllers), std::end(kControllers), option) !=
          std::end(kControllers)) {
        layout.v1.emplace(std::string(option), std::string(left[4]));
      }
    }
  }
  return layout;
}

bool HasIoLimit(const LaunchCgroup& context) {
  return context.io_read_bytes_per_second != 0 ||
         context.io_write_bytes_per_second != 0 ||
         context.io_reads_per_second != 0 || context.io_writes_per_second != 0;
}

std::string GroupOf(absl::string_view slice, absl::string_view guest) {
  if (slice.empty()) return std::string(guest);
  return absl::StrCat(slice, ".slice/", guest);
}

absl::Status EnterCgroup(int group) {
  // The writer itself, whatever its number is in its namespace.
  if (write(group, "0", 1) != 1) {
    return ErrnoError(errno, "enter a version 1 control group");
  }
  return absl::OkStatus();
}

Cgroups::Cgroups(CgroupLayout layout, std::string parent)
    : layout_(std::move(layout)), parent_(std::move(parent)) {}

std::string Cgroups::PathIn(absl::string_view mount,
                            absl::string_view group) const {
  return absl::StrCat(mount, "/", parent_, group.empty() ? "" : "/", group);
}

std::string Cgroups::Authority() const {
  if (!layout_.unified.empty()) return layout_.unified;
  const auto freezer = layout_.v1.find("freezer");
  return freezer != layout_.v1.end() ? freezer->second : layout_.v1.at("pids");
}

std::vector<std::string> Cgroups::Mounts() const {
  std::set<std::string> mounts;
  for (const auto& [unused, mount] : layout_.v1) mounts.insert(mount);
  if (!layout_.unified.empty()) mounts.insert(layout_.unified);
  return std::vector<std::string>(mounts.begin(), mounts.end());
}

std::vector<std::string> Cgroups::AllMounts() const {
  std::vector<std::string> mounts = Mounts();
  if (!layout_.blkio.empty() &&
      std::find(mounts.begin(), mounts.end(), layout_.blkio) == mounts.end()) {
    mounts.push_back(layout_.blkio);
  }
  return mounts;
}

bool Cgroups::UnifiedHas(absl::string_view controller) const {
  return std::find(unified_controllers_.begin(), unified_controllers_.end(),
                   controller) != unified_controllers_.end();
}

absl::Status Cgroups::Prepare() {
  if (!layout_.unified.empty()) {
    ASSIGN_OR_RETURN(
        const std::string text,
        ReadFile(absl::StrCat(layout_.unified, "/cgroup.controllers"),
                 kMaxControlBytes));
    unified_controllers_ =
        absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  }
  for (const absl::string_view controller : kLimiting) {
    if (layout_.v1.count(std::string(controller)) == 0 &&
        !UnifiedHas(controller)) {
      return Error(
                 absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
                 absl::StrCat("no control group hierarchy offers '", controller,
                              "': guests could not be limited; mount cgroup2 "
                              "on /sys/fs/cgroup"))
          .With("controller", controller);
    }
  }
  for (const std::string& mount : AllMounts()) {
    RETURN_IF_ERROR(MakeDirectories(PathIn(mount, "")));
  }
  // A version 2 group has a controller only if every group above it, the root
  // included, hands it down.
  std::string group = layout_.unified;
  std::vector<absl::string_view> elements = absl::StrSplit(parent_, '/');
  elements.insert(elements.begin(), "");
  for (const absl::string_view element : elements) {
    if (!element.empty()) absl::StrAppend(&group, "/", element);
    RETURN_IF_ERROR(HandDown(group));
  }
  return absl::OkStatus();
}

absl::Status Cgroups::HandDown(const std::string& path) {
  for (const absl::string_view controller : kHandedDown) {
    if (!UnifiedHas(controller)) continue;
    RETURN_IF_ERROR(WriteControl(absl::StrCat(path, "/cgroup.subtree_control"),
                                 absl::StrCat("+", controller)));
  }
  return absl::OkStatus();
}

void Cgroups::RemoveParents() {
  for (const std::string& mount : AllMounts()) {
    rmdir(PathIn(mount, "").c_str());
  }
}

absl::Status Cgroups::Limit(absl::string_view group,
                            const GuestLimits& limits) {
  const int64_t quota = limits.cpu_millis * kCpuPeriodMicros / 1000;
  const auto v1 = [&](const char* controller, const char* file,
                      int64_t value) -> absl::Status {
    const auto mount = layout_.v1.find(controller);
    if (mount == layout_.v1.end()) return absl::OkStatus();
    return WriteControl(absl::StrCat(PathIn(mount->second, group), "/", file),
                        absl::StrCat(value));
  };
  RETURN_IF_ERROR(v1("memory", "memory.limit_in_bytes", limits.memory_bytes));
  // As much swap as memory: without a bound one guest could take all of it. A
  // kernel that does not count swap has no such file.
  const auto memory = layout_.v1.find("memory");
  constexpr char kSwap[] = "memory.memsw.limit_in_bytes";
  if (memory != layout_.v1.end() &&
      access(absl::StrCat(PathIn(memory->second, group), "/", kSwap).c_str(),
             F_OK) == 0) {
    RETURN_IF_ERROR(v1("memory", kSwap, 2 * limits.memory_bytes));
  }
  RETURN_IF_ERROR(v1("pids", "pids.max", limits.pids));
  if (quota > 0) {
    RETURN_IF_ERROR(v1("cpu", "cpu.cfs_period_us", kCpuPeriodMicros));
    RETURN_IF_ERROR(v1("cpu", "cpu.cfs_quota_us", quota));
  }
  const auto v2 = [&](const char* controller, const char* file,
                      const std::string& value) -> absl::Status {
    if (!UnifiedHas(controller)) return absl::OkStatus();
    return WriteControl(absl::StrCat(PathIn(layout_.unified, group), "/", file),
                        value);
  };
  RETURN_IF_ERROR(
      v2("memory", "memory.max", absl::StrCat(limits.memory_bytes)));
  if (access(absl::StrCat(PathIn(layout_.unified, group), "/memory.swap.max")
                 .c_str(),
             F_OK) == 0) {
    RETURN_IF_ERROR(
        v2("memory", "memory.swap.max", absl::StrCat(limits.memory_bytes)));
  }
  RETURN_IF_ERROR(v2("pids", "pids.max", absl::StrCat(limits.pids)));
  if (quota > 0) {
    RETURN_IF_ERROR(
        v2("cpu", "cpu.max", absl::StrCat(quota, " ", kCpuPeriodMicros)));
  }
  return absl::OkStatus();
}

absl::Status Cgroups::Weigh(absl::string_view group, int32_t weight) {
  if (weight == 0) return absl::OkStatus();
  if (UnifiedHas("cpu")) {
    return WriteControl(
        absl::StrCat(PathIn(layout_.unified, group), "/cpu.weight"),
        absl::StrCat(weight));
  }
  // 100 is the usual weight of version 2, as 1024 is that of version 1, whose
  // least is 2.
  return WriteControl(
      absl::StrCat(PathIn(layout_.v1.at("cpu"), group), "/cpu.shares"),
      absl::StrCat(std::max(2, weight * 1024 / 100)));
}

absl::Status Cgroups::MakeSlice(absl::string_view group) {
  const size_t slash = group.find('/');
  if (slash == absl::string_view::npos) return absl::OkStatus();
  for (const std::string& mount : AllMounts()) {
    const std::string path = PathIn(mount, group.substr(0, slash));
    if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
      return ErrnoError(errno, absl::StrCat("mkdir ", path));
    }
    if (mount == layout_.unified) RETURN_IF_ERROR(HandDown(path));
  }
  return absl::OkStatus();
}

absl::Status Cgroups::Make(absl::string_view group, const GuestLimits& limits,
                           const LaunchCgroup& context) {
  RETURN_IF_ERROR(MakeSlice(group));
  const std::vector<std::string> mounts =
      HasIoLimit(context) ? AllMounts() : Mounts();
  for (const std::string& mount : mounts) {
    const std::string path = PathIn(mount, group);
    if (mkdir(path.c_str(), 0755) != 0) {
      return ErrnoError(errno, absl::StrCat("mkdir ", path));
    }
  }
  RETURN_IF_ERROR(Limit(group, limits));
  return Weigh(group, context.cpu_weight);
}

bool Cgroups::CanLimitIo() const {
  return UnifiedHas("io") || !layout_.blkio.empty();
}

absl::Status Cgroups::LimitIo(absl::string_view group,
                              const LaunchCgroup& context,
                              const std::set<dev_t>& devices) {
  const struct {
    int64_t rate;
    const char* v2;
    const char* v1;
  } limits[] = {{context.io_read_bytes_per_second, "rbps", "read_bps_device"},
                {context.io_write_bytes_per_second, "wbps", "write_bps_device"},
                {context.io_reads_per_second, "riops", "read_iops_device"},
                {context.io_writes_per_second, "wiops", "write_iops_device"}};
  for (const dev_t device : devices) {
    const std::string name = absl::StrCat(major(device), ":", minor(device));
    for (const auto& limit : limits) {
      if (limit.rate == 0) continue;
      if (UnifiedHas("io")) {
        RETURN_IF_ERROR(WriteControl(
            absl::StrCat(PathIn(layout_.unified, group), "/io.max"),
            absl::StrCat(name, " ", limit.v2, "=", limit.rate)));
      } else {
        RETURN_IF_ERROR(WriteControl(absl::StrCat(PathIn(layout_.blkio, group),
                                                  "/blkio.throttle.", limit.v1),
                                     absl::StrCat(name, " ", limit.rate)));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Cgroups::OpenUnified(absl::string_view group) const {
  if (layout_.unified.empty()) return UniqueFd();
  const std::string path = PathIn(layout_.unified, group);
  UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  return fd;
}

absl::StatusOr<std::vector<UniqueFd>> Cgroups::OpenV1(
    absl::string_view group) const {
  std::set<std::string> mounts;
  for (const auto& [unused, mount] : layout_.v1) mounts.insert(mount);
  if (!layout_.blkio.empty() &&
      access(PathIn(layout_.blkio, group).c_str(), F_OK) == 0) {
    mounts.insert(layout_.blkio);
  }
  std::vector<UniqueFd> groups;
  for (const std::string& mount : mounts) {
    // "tasks", not "cgroup.procs": a whole process would need the lock.
    const std::string path = absl::StrCat(PathIn(mount, group), "/tasks");
    groups.emplace_back(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!groups.back().valid()) {
      return ErrnoError(errno, absl::StrCat("open ", path));
    }
  }
  return groups;
}

std::vector<pid_t> Cgroups::Members(absl::string_view group) const {
  return MembersOf(PathIn(Authority(), group));
}

void Cgroups::KillOnce(absl::string_view group) {
  const std::string path = PathIn(Authority(), group);
  // Version 2 kills the whole group in one step, fork bombs included.
  if (!layout_.unified.empty() &&
      WriteControl(absl::StrCat(path, "/cgroup.kill"), "1").ok()) {
    return;
  }
  // Version 1: frozen, no member can fork while the list is read. A group
  // without a freezer is simply killed again until it is empty.
  const std::string freezer = absl::StrCat(path, "/freezer.state");
  WriteControl(freezer, "FROZEN").IgnoreError();
  KillMembers(path);
  WriteControl(freezer, "THAWED").IgnoreError();
}

absl::Status Cgroups::Kill(absl::string_view group, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (true) {
    // An error is not an empty group: a guest must not pass for dead.
    ASSIGN_OR_RETURN(const std::vector<pid_t> pids,
                     ReadPids(PathIn(Authority(), group)));
    if (pids.empty()) return absl::OkStatus();
    if (absl::Now() > deadline) {
      return Error(absl::StatusCode::kDeadlineExceeded,
                   reason::kGuestStopTimedOut,
                   absl::StrCat("processes of guest '", group,
                                "' outlive SIGKILL; one may wait for a disk"))
          .With("guest", group);
    }
    // Opened before they die, or their end could not be waited for.
    const MembersEnd members(pids);
    KillOnce(group);
    members.Await(std::min(deadline, absl::Now() + kKillInterval));
    if (!members.any()) absl::SleepFor(kPollInterval);
  }
}

absl::Status Cgroups::Remove(absl::string_view group, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  const size_t slash = group.find('/');
  for (const std::string& mount : AllMounts()) {
    const std::string path = PathIn(mount, group);
    // A group stays busy for a moment after its last process died.
    while (rmdir(path.c_str()) != 0 && errno != ENOENT) {
      if (errno != EBUSY || absl::Now() > deadline) {
        return ErrnoError(errno, absl::StrCat("rmdir ", path));
      }
      absl::SleepFor(kPollInterval);
    }
    // Stays while another guest is in it.
    if (slash != absl::string_view::npos) {
      rmdir(PathIn(mount, group.substr(0, slash)).c_str());
    }
  }
  return absl::OkStatus();
}

std::string Cgroups::Find(absl::string_view guest) const {
  std::string found(guest);
  DIR* const directory = opendir(PathIn(Authority(), "").c_str());
  if (directory == nullptr) return found;
  while (const dirent* entry = readdir(directory)) {
    if (!absl::EndsWith(entry->d_name, ".slice")) continue;
    const std::string group = absl::StrCat(entry->d_name, "/", guest);
    if (access(PathIn(Authority(), group).c_str(), F_OK) == 0) found = group;
  }
  closedir(directory);
  return found;
}

std::vector<std::string> Cgroups::List() const {
  std::set<std::string> names;
  for (const std::string& mount : Mounts()) {
    DIR* const directory = opendir(PathIn(mount, "").c_str());
    if (directory == nullptr) continue;
    while (const dirent* entry = readdir(directory)) {
      if (entry->d_type == DT_DIR && IsGuestId(entry->d_name)) {
        names.insert(entry->d_name);
      }
    }
    closedir(directory);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace innkeeper
