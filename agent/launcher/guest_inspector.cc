#include "agent/launcher/guest_inspector.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
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
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/launcher/cgroup.h"
#include "agent/launcher/namespaces.h"
#include "agent/launcher/proc.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxScannedBytes = size_t{256} * 1024;
constexpr size_t kMaxMountInfoBytes = size_t{1} << 20;
constexpr int kMaxScannedFds = 4096;
constexpr int kMemoryPatienceMillis = 200;

constexpr const char* kPlainFiles[] = {
    "status",        "stat",        "limits",  "cgroup",
    "oom_score_adj", "personality", "uid_map", "mountinfo"};
constexpr const char* kNamespaces[] = {"cgroup", "ipc",  "mnt",  "net",
                                       "pid",    "time", "user", "uts"};

// Of version 1 and 2: a group has those of its version and controllers.
constexpr const char* kLimitFiles[] = {"memory.max",
                                       "memory.swap.max",
                                       "memory.limit_in_bytes",
                                       "memory.memsw.limit_in_bytes",
                                       "pids.max",
                                       "cpu.max",
                                       "cpu.weight",
                                       "cpu.cfs_quota_us",
                                       "cpu.cfs_period_us",
                                       "cpu.shares",
                                       "cpuset.cpus",
                                       "io.max",
                                       "blkio.throttle.read_bps_device",
                                       "blkio.throttle.write_bps_device",
                                       "blkio.throttle.read_iops_device",
                                       "blkio.throttle.write_iops_device"};

// Reads `fd` to its end or to `limit`. An errno, or 0.
int ReadSome(int fd, size_t limit, std::string& text) {
  text.resize(limit);
  size_t size = 0;
  int error = 0;
  while (size < limit) {
    const ssize_t got = read(fd, text.data() + size, limit - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return size > 0 ? 0 : error;
}

int ReadAt(int directory, const std::string& path, size_t limit,
           std::string& text) {
  const UniqueFd fd(openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() ? ReadSome(fd.get(), limit, text) : errno;
}

int LinkAt(int directory, const std::string& path, std::string& text) {
  char target[4096];
  const ssize_t size =
      readlinkat(directory, path.c_str(), target, sizeof(target));
  if (size < 0) return errno;
  text.assign(target, static_cast<size_t>(size));
  return 0;
}

GuestFact FileFact(absl::string_view name, int directory,
                   const std::string& path) {
  GuestFact fact;
  fact.name = std::string(name);
  fact.error = ReadAt(directory, path, kMaxFactBytes, fact.text);
  return fact;
}

GuestFact LinkFact(const char* name, int directory) {
  GuestFact fact;
  fact.name = name;
  fact.error = LinkAt(directory, name, fact.text);
  return fact;
}

GuestFact NamespaceFact(const char* name, int directory) {
  GuestFact fact;
  fact.name = name;
  for (const char* kind : kNamespaces) {
    std::string link;
    // A kernel need not have them all.
    if (LinkAt(directory, absl::StrCat("ns/", kind), link) == 0) {
      absl::StrAppend(&fact.text, kind, ":",
                      absl::StripPrefix(link, absl::StrCat(kind, ":")), "\n");
    }
  }
  if (fact.text.empty()) fact.error = EACCES;
  return fact;
}

// O_ flags of a descriptor; 0 if they cannot be read.
int FlagsOfFd(int directory, absl::string_view number) {
  std::string text;
  ReadAt(directory, absl::StrCat("fdinfo/", number), 256, text);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, "flags:\t")) continue;
    return static_cast<int>(strtol(std::string(line).c_str(), nullptr, 8));
  }
  return 0;
}

std::string KindOfFd(int directory, absl::string_view number,
                     absl::string_view target) {
  if (absl::StartsWith(target, "socket:")) return "socket";
  if (absl::StartsWith(target, "pipe:")) return "pipe";
  if (absl::ConsumePrefix(&target, "anon_inode:")) {
    return absl::StrCat("anon:",
                        absl::StripSuffix(absl::StripPrefix(target, "["), "]"));
  }
  if (absl::StartsWith(target, "/memfd:")) return "memfd";
  if (absl::StartsWith(target, "/dev/")) return absl::StrCat("device:", target);
  const int flags = FlagsOfFd(directory, number);
  // Files without a name, which overlays are, are opened with that flag, too.
  const bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
  if ((flags & O_DIRECTORY) != 0 && !unnamed) return "directory";
  return (flags & O_ACCMODE) == O_RDONLY ? "file-read" : "file-write";
}

GuestFact FdFact(int directory) {
  GuestFact fact;
  fact.name = "fds";
  const int fd = openat(directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    fact.error = errno;
    return fact;
  }
  struct Kind {
    int count = 0;
    std::set<std::string> targets;
  };
  std::map<std::string, Kind> kinds;
  DIR* const entries = fdopendir(fd);
  int seen = 0;
  while (const dirent* entry = readdir(entries)) {
    if (entry->d_name[0] == '.') continue;
    if (++seen > kMaxScannedFds) break;
    std::string target;
    // Closed since it was listed.
    if (LinkAt(fd, entry->d_name, target) != 0) continue;
    Kind& kind = kinds[KindOfFd(directory, entry->d_name, target)];
    ++kind.count;
    kind.targets.insert(std::move(target));
  }
  closedir(entries);
  for (const auto& [name, kind] : kinds) {
    // A name ends at a blank; what comes of a path may hold any character.
    absl::StrAppend(
        &fact.text,
        absl::string_view(name).substr(0, name.find_first_of(" \n")), " ",
        kind.count, " ", kind.targets.size(), "\n");
  }
  return fact;
}

// Whether a line of /proc/PID/net/NAME is of a socket that others can reach.
bool IsReachable(absl::string_view name, absl::string_view line) {
  const std::vector<absl::string_view> fields =
      absl::StrSplit(line, ' ', absl::SkipEmpty());
  // State and flags: see proc(5). 0A is TCP_LISTEN, the flag __SO_ACCEPTCON.
  if (absl::StartsWith(name, "tcp")) {
    return fields.size() > 3 && fields[3] == "0A";
  }
  if (name != "unix") return true;
  uint32_t flags;
  return fields.size() > 3 && absl::SimpleHexAtoi(fields[3], &flags) &&
         (flags & 0x10000) != 0;
}

GuestFact SocketFact(int directory) {
  GuestFact fact;
  fact.name = "sockets";
  for (const char* name :
       {"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "unix"}) {
    std::string text;
    const int error =
        ReadAt(directory, absl::StrCat("net/", name), kMaxScannedBytes, text);
    if (error != 0) continue;  // The kernel has no such protocol.
    const std::vector<absl::string_view> lines =
        absl::StrSplit(text, '\n', absl::SkipEmpty());
    int count = 0;
    for (size_t i = 1; i < lines.size(); ++i) {
      if (IsReachable(name, lines[i])) ++count;
    }
    absl::StrAppend(&fact.text, name, " ", count,
                    text.size() == kMaxScannedBytes ? "+" : "", "\n");
  }
  if (fact.text.empty()) fact.error = ENOENT;
  return fact;
}

// What lies in the guest's own memory may take any time to come: it can map a
// file over it. A process that can be left alone reads it.
int ReadPatiently(int fd, std::string& text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const absl::StatusOr<ClonedProcess> child = CloneProcess();
  if (!child.ok()) return EAGAIN;
  if (child->pid == 0) {
    // Nothing of the launcher's, for it might stay.
    if (dup2(fd, 0) != 0 || dup2(to.get(), 1) != 1 ||
        syscall(SYS_close_range, 2, ~0U, 0) != 0) {
      _exit(1);
    }
    char buffer[4096];
    const ssize_t got = read(0, buffer, sizeof(buffer));
    _exit(got > 0 && write(1, buffer, static_cast<size_t>(got)) == got ? 0 : 1);
  }
  to.reset();
  pollfd waiting = {from.get(), POLLIN, 0};
  const bool came = poll(&waiting, 1, kMemoryPatienceMillis) > 0;
  const int error = came ? ReadSome(from.get(), 4096, text) : int{ETIMEDOUT};
  if (came) {
    waitpid(child->pid, nullptr, 0);
  } else {
    // It is reaped like any other child, whenever it ends.
    syscall(SYS_pidfd_send_signal, child->pidfd.get(), SIGKILL, nullptr, 0);
  }
  return error;
}

GuestFact EnvironmentFact(int directory) {
  GuestFact fact;
  fact.name = "environ";
  const UniqueFd fd(openat(directory, "environ", O_RDONLY | O_CLOEXEC));
  std::string text;
  fact.error = fd.valid() ? ReadPatiently(fd.get(), text) : errno;
  for (const absl::string_view variable :
       absl::StrSplit(text, '\0', absl::SkipEmpty())) {
    absl::StrAppend(&fact.text, variable.substr(0, variable.find('=')), "\n");
  }
  return fact;
}

// The directory of each group that `cgroup`, the text of /proc/PID/cgroup,
// names.
std::vector<std::string> GroupsOf(absl::string_view cgroup) {
  std::string mounts;
  const UniqueFd fd(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (fd.valid()) ReadSome(fd.get(), kMaxMountInfoBytes, mounts);
  const CgroupLayout layout = ParseCgroupMounts(mounts);
  std::vector<std::string> groups;
  for (const absl::string_view line :
       absl::StrSplit(cgroup, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (parts[1].empty() && !layout.unified.empty()) {
      groups.push_back(absl::StrCat(layout.unified, parts[2]));
    }
    for (const absl::string_view controller : absl::StrSplit(parts[1], ',')) {
      const auto mount = layout.v1.find(std::string(controller));
      if (mount == layout.v1.end()) continue;
      groups.push_back(absl::StrCat(mount->second, parts[2]));
    }
  }
  return groups;
}

void AddLimits(absl::string_view cgroup, std::vector<GuestFact>& facts) {
  const std::vector<std::string> groups = GroupsOf(cgroup);
  for (const char* file : kLimitFiles) {
    for (const std::string& group : groups) {
      GuestFact fact;
      fact.name = absl::StrCat("cgroup.", file);
      fact.error =
          ReadAt(AT_FDCWD, absl::StrCat(group, "/", file), 1024, fact.text);
      if (fact.error == ENOENT) continue;
      facts.push_back(std::move(fact));
      break;
    }
  }
}

// The directory in /proc of the very process that had these.
absl::StatusOr<UniqueFd> OpenProcess(int64_t pid, uint64_t start_time_ticks) {
  UniqueFd directory(open(absl::StrCat("/proc/", pid).c_str(),
                          O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string text;
  if (directory.valid() && ReadAt(directory.get(), "stat", 4096, text) == 0) {
    const absl::StatusOr<ProcStat> stat = ParseProcStat(text);
    if (stat.ok() && stat->start_time_ticks == start_time_ticks &&
        stat->state != 'Z' && stat->state != 'X') {
      return directory;
    }
  }
  return absl::NotFoundError("no such process");
}

void AddHostFacts(std::vector<GuestFact>& facts) {
  const UniqueFd self(open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  facts.push_back(NamespaceFact("host.ns", self.get()));
  facts.push_back(FileFact("host.status", self.get(), "status"));
  facts.push_back(
      FileFact("host.core_pattern", AT_FDCWD, "/proc/sys/kernel/core_pattern"));
  facts.push_back(FileFact("host.lsm", AT_FDCWD, "/sys/kernel/security/lsm"));
}

}  // namespace

absl::StatusOr<GuestFacts> InspectGuest(const JournalEntry& entry) {
  absl::StatusOr<UniqueFd> process = absl::NotFoundError("not launched");
  if (entry.launched) {
    process = OpenProcess(entry.pid, entry.start_time_ticks);
  }
  if (!process.ok()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 reason::kGuestNotRunning,
                 absl::StrCat("guest '", entry.guest,
                              "' has no process to look at; start it first"))
        .With("guest", entry.guest)
        .Build();
  }
  GuestFacts facts;
  facts.pid = entry.pid;
  facts.keeper_pid = entry.keeper_pid;
  facts.unix_uid = entry.qemu_uid;
  facts.unix_gid = entry.qemu_gid;
  facts.start_time_ticks = entry.start_time_ticks;
  const int directory = process->get();
  std::string cgroup;
  for (const char* file : kPlainFiles) {
    facts.facts.push_back(FileFact(file, directory, file));
    if (file == absl::string_view("cgroup")) cgroup = facts.facts.back().text;
  }
  facts.facts.push_back(FileFact("attr", directory, "attr/current"));
  facts.facts.push_back(
      FileFact("attr.apparmor", directory, "attr/apparmor/current"));
  for (const char* link : {"exe", "root", "cwd"}) {
    facts.facts.push_back(LinkFact(link, directory));
  }
  facts.facts.push_back(NamespaceFact("ns", directory));
  facts.facts.push_back(FdFact(directory));
  facts.facts.push_back(SocketFact(directory));
  facts.facts.push_back(EnvironmentFact(directory));
  const absl::StatusOr<UniqueFd> keeper =
      OpenProcess(entry.keeper_pid, entry.keeper_start_time_ticks);
  if (keeper.ok()) {
    facts.facts.push_back(FileFact("keeper.status", keeper->get(), "status"));
  } else {
    facts.facts.push_back({"keeper.status", ESRCH, ""});
  }
  AddHostFacts(facts.facts);
  AddLimits(cgroup, facts.facts);
  return facts;
}

}  // namespace innkeeper
