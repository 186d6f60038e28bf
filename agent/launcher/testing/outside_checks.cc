#include "agent/launcher/testing/outside_checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string LinkOf(const std::string& path) {
  std::error_code error;
  return fs::read_symlink(path, error).string();
}

// The checks of one process.
class ProcessChecks {
 public:
  ProcessChecks(const char* name, int64_t pid)
      : name_(name), proc_(absl::StrCat("/proc/", pid)), pid_(pid) {}

  // `directory`: the one that it may have open; none if empty.
  void Run(const LaunchPlan& plan, uint32_t uid, int number_in_guest,
           const std::string& directory) {
    const std::string four = absl::StrCat(uid, " ", uid, " ", uid, " ", uid);
    Same("Uid", Field("Uid"), four);
    Same("Gid", Field("Gid"), four);
    Same("Groups", Field("Groups"), "");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
      Same(set, Field(set), "0000000000000000");
    }
    Same("NoNewPrivs", Field("NoNewPrivs"), "1");
    Same("Seccomp", Field("Seccomp"), "2");
    Same("TracerPid", Field("TracerPid"), "0");
    Same("NSpid", Field("NSpid"), absl::StrCat(pid_, " ", number_in_guest));
    CheckNamespaces();
    Same("working directory", LinkOf(proc_ + "/cwd"), "/");
    Same("personality", Slurp(proc_ + "/personality"), "00000000\n");
    CheckLimits(plan);
    CheckMounts();
    CheckSockets();
    CheckFds(directory);
    CheckGroups(plan.guest);
  }

  std::string Field(const std::string& field) const {
    for (const auto line : absl::StrSplit(Slurp(proc_ + "/status"), '\n')) {
      if (!absl::StartsWith(line, field + ":")) continue;
      const std::vector<absl::string_view> words =
          absl::StrSplit(line.substr(field.size() + 1), absl::ByAnyChar(" \t"),
                         absl::SkipEmpty());
      return absl::StrJoin(words, " ");
    }
    return "no such field";
  }
  std::string Read(const char* file) const {
    return Slurp(absl::StrCat(proc_, "/", file));
  }
  std::string Link(const char* link) const {
    return LinkOf(absl::StrCat(proc_, "/", link));
  }

  // How many there were.
  int made() const { return made_; }

  void Same(const std::string& what, const std::string& actual,
            const std::string& expected) {
    ++made_;
    EXPECT_EQ(actual, expected) << name_ << ": " << what;
  }
  void True(const std::string& what, bool holds, const std::string& actual) {
    ++made_;
    EXPECT_TRUE(holds) << name_ << ": " << what << ": " << actual;
  }

 private:
  void CheckNamespaces() {
    for (const char* kind : {"cgroup", "ipc", "mnt", "net", "pid", "uts"}) {
      const std::string own = Link(absl::StrCat("ns/", kind).c_str());
      True(absl::StrCat(kind, " namespace"),
           !own.empty() && own != LinkOf(absl::StrCat("/proc/self/ns/", kind)),
           own);
    }
  }

  // Soft and hard, in /proc/PID/limits.
  void CheckLimit(const std::string& name, int64_t most) {
    for (absl::string_view line : absl::StrSplit(Read("limits"), '\n')) {
      if (!absl::StartsWith(line, name)) continue;
      const std::vector<absl::string_view> words =
          absl::StrSplit(line.substr(name.size()), ' ', absl::SkipEmpty());
      int64_t soft = -1, hard = -1;
      const bool read = words.size() >= 2 &&
                        absl::SimpleAtoi(words[0], &soft) &&
                        absl::SimpleAtoi(words[1], &hard);
      return True(name, read && soft <= most && hard <= most,
                  std::string(line));
    }
    True(name, false, "no such limit");
  }

  void CheckLimits(const LaunchPlan& plan) {
    CheckLimit("Max core file size", 1);
    CheckLimit("Max open files", 1024);
    CheckLimit("Max locked memory", 8 << 20);
    CheckLimit("Max msgqueue size", 0);
    CheckLimit("Max nice priority", 0);
    CheckLimit("Max realtime priority", 0);
    CheckLimit("Max processes", plan.limits.pids);
    int score = -1;
    const std::string text = Read("oom_score_adj");
    True("oom score", absl::SimpleAtoi(text, &score) && score >= 300, text);
  }

  void CheckMounts() {
    int mounts = 0;
    std::string wrong;
    for (const auto line :
         absl::StrSplit(Read("mountinfo"), '\n', absl::SkipEmpty())) {
      ++mounts;
      const std::vector<std::string> fields = absl::StrSplit(line, ' ');
      const std::vector<std::string> options = absl::StrSplit(fields[5], ',');
      const auto has = [&](const char* option) {
        return std::find(options.begin(), options.end(), option) !=
               options.end();
      };
      if (!has("nosuid") || (fields[4] != "/dev" && !has("nodev")) ||
          (fields[4] != "/proc" && !has("ro"))) {
        absl::StrAppend(&wrong, line, "\n");
      }
    }
    True("mounts without set-user-id, devices and writing",
         mounts > 0 && wrong.empty(), wrong);
  }

  // Of its network namespace, all but those that only it can reach.
  void CheckSockets() {
    for (const char* protocol : {"tcp", "tcp6", "udp", "udp6", "packet"}) {
      const std::vector<std::string> lines =
          absl::StrSplit(Read(absl::StrCat("net/", protocol).c_str()), '\n',
                         absl::SkipEmpty());
      True(absl::StrCat("no ", protocol, " socket"), lines.size() <= 1,
           absl::StrJoin(lines, "\n"));
    }
  }

  void CheckFds(const std::string& allowed) {
    struct stat known = {};
    if (!allowed.empty()) {
      EXPECT_EQ(stat(allowed.c_str(), &known), 0) << allowed;
    }
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(proc_ + "/fd", error)) {
      struct stat info = {};
      const bool directory =
          stat(entry.path().c_str(), &info) == 0 && S_ISDIR(info.st_mode);
      // By a mount of its own: what the link says does not name it.
      True("no descriptor of a directory",
           !directory ||
               (info.st_dev == known.st_dev && info.st_ino == known.st_ino),
           LinkOf(entry.path()));
    }
  }

  void CheckGroups(const std::string& guest) {
    std::string elsewhere;
    for (const auto line :
         absl::StrSplit(Read("cgroup"), '\n', absl::SkipEmpty())) {
      const std::vector<std::string> parts =
          absl::StrSplit(line, absl::MaxSplits(':', 2));
      const bool limits = absl::StrContains(parts[1], "memory") ||
                          absl::StrContains(parts[1], "pids") ||
                          absl::StrContains(parts[1], "cpu,") ||
                          (parts[0] == "0" && parts[1].empty());
      if (limits && !absl::EndsWith(parts[2], "/" + guest)) {
        absl::StrAppend(&elsewhere, line, "\n");
      }
    }
    True("control groups of its own", elsewhere.empty(), elsewhere);
  }

  const char* const name_;
  const std::string proc_;
  const int64_t pid_;
  int made_ = 0;
};

// The first of `files` that one of `groups` has.
std::string ReadLimit(const std::vector<std::string>& groups,
                      const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    for (const std::string& group : groups) {
      const std::string path = absl::StrCat(group, "/", file);
      if (fs::exists(path)) return Slurp(path);
    }
  }
  return "none";
}

void CheckGroupLimits(const LauncherHarness& harness, const LaunchPlan& plan,
                      ProcessChecks& checks) {
  const std::vector<std::string> groups = harness.CgroupsOf(plan.guest);
  int64_t number = 0;
  const std::string memory =
      ReadLimit(groups, {"memory.max", "memory.limit_in_bytes"});
  checks.True(
      "memory of the group",
      absl::SimpleAtoi(memory, &number) && number <= plan.limits.memory_bytes,
      memory);
  const std::string pids = ReadLimit(groups, {"pids.max"});
  checks.True("processes of the group",
              absl::SimpleAtoi(pids, &number) && number <= plan.limits.pids,
              pids);
  const std::string cpu = ReadLimit(groups, {"cpu.max", "cpu.cfs_quota_us"});
  checks.True(
      "processor time of the group",
      plan.limits.cpu_millis == 0 ||
          absl::StartsWith(cpu, absl::StrCat(plan.limits.cpu_millis * 100)),
      cpu);
}

// Mode, root's uid, the agent's gid.
void CheckOwned(const std::string& path, mode_t mode, ProcessChecks& checks) {
  struct stat info = {};
  const bool found = stat(path.c_str(), &info) == 0;
  checks.True(
      absl::StrCat("owner and mode of ", path),
      found && info.st_uid == 0 && info.st_gid == kTestAgentGid &&
          (info.st_mode & 07777) == mode,
      absl::StrCat(info.st_uid, ":", info.st_gid, " ", info.st_mode & 07777));
}

void CheckDirectory(const LauncherHarness& harness, const LaunchPlan& plan,
                    ProcessChecks& checks) {
  const std::string directory = harness.guest_dir(plan.guest);
  CheckOwned(directory, 0750, checks);
  for (const PlannedFd& fd : plan.fds) {
    if (fd.kind == FdKind::kQmp)
      CheckOwned(directory + "/qmp.sock", 0660, checks);
    if (fd.kind == FdKind::kBreakGlass) {
      CheckOwned(directory + "/qmp2.sock", 0660, checks);
    }
    if (fd.kind == FdKind::kConsole) {
      CheckOwned(directory + "/console.sock", 0660, checks);
    }
  }
}

// No process outside of the guest's group has its uids.
void CheckUidsAreAlone(const LauncherHarness& harness, const LaunchPlan& plan,
                       const Launched& launched, ProcessChecks& checks) {
  std::string members;
  for (const std::string& group : harness.CgroupsOf(plan.guest)) {
    absl::StrAppend(&members, "\n", Slurp(group + "/cgroup.procs"));
  }
  std::string others;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    struct stat info;
    if (!std::all_of(pid.begin(), pid.end(), isdigit) ||
        stat(entry.path().c_str(), &info) != 0 ||
        (info.st_uid != launched.unix_uid &&
         info.st_uid != launched.unix_uid + 1)) {
      continue;
    }
    if (!absl::StrContains(members, absl::StrCat("\n", pid, "\n"))) {
      absl::StrAppend(&others, pid, " ");
    }
  }
  checks.Same("processes with its uids elsewhere", others, "");
}

}  // namespace

int ExpectConfined(const LauncherHarness& harness, const LaunchPlan& plan,
                   const Launched& launched) {
  ProcessChecks qemu("QEMU", launched.pid);
  qemu.Run(plan, launched.unix_uid, /*number_in_guest=*/2, "");
  std::string command;
  for (const std::string& argument : plan.argv) command += argument + '\0';
  qemu.Same("command line", qemu.Read("cmdline"), command);
  qemu.Same("binary", qemu.Link("exe"), plan.argv[0]);
  qemu.Same("environment", qemu.Read("environ"),
            std::string("PATH=/usr/bin:/bin\0LANG=C\0HOME=/\0", 33));
  ProcessChecks keeper("keeper", launched.keeper_pid);
  keeper.Run(plan, launched.unix_uid + 1, /*number_in_guest=*/1,
             harness.guest_dir(plan.guest) + "/log");
  keeper.Same("environment", keeper.Read("environ"), "");
  CheckGroupLimits(harness, plan, qemu);
  CheckDirectory(harness, plan, qemu);
  CheckUidsAreAlone(harness, plan, launched, qemu);
  return qemu.made() + keeper.made();
}

}  // namespace innkeeper
