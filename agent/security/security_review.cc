#include "agent/security/security_review.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
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
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/security/fact_reader.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kStatus = "/proc/PID/status";
constexpr int64_t kCpuPeriodMicros = 100000;
// The least that version 1 takes.
constexpr int64_t kFewestShares = 2;

std::string FourTimes(uint32_t id) {
  return absl::StrCat(id, " ", id, " ", id, " ", id);
}

std::string OrNone(const std::string& text) {
  return text.empty() ? "none" : text;
}

// A limit of a control group, for which "max" and absurdly much mean none.
bool IsAtMost(absl::string_view text, int64_t most) {
  int64_t value;
  return absl::SimpleAtoi(text, &value) && value <= most;
}

// Collects the checks of one review.
class Reviewer {
 public:
  Reviewer(const AskedContext& asked, const GuestFacts& facts)
      : asked_(asked), facts_(facts), reader_(facts) {}

  std::vector<SecurityCheck> Review() {
    ReviewProcess();
    ReviewIdentity();
    ReviewPrivileges();
    ReviewNamespaces();
    ReviewFiles();
    ReviewNetwork();
    ReviewLimits();
    ReviewSchedule();
    ReviewCgroups();
    ReviewLabels();
    ReviewKeeper();
    ReviewHost();
    if (!asked_.no_plan.empty()) ForgetPlan();
    return std::move(checks_);
  }

 private:
  using Read = absl::StatusOr<std::string>;

  // The last argument of these three is where it was read.
  void Add(absl::string_view id, absl::string_view what,
           absl::string_view asked, const Read& actual, bool same,
           absl::string_view source) {
    SecurityCheck check;
    check.id = std::string(id);
    check.what = std::string(what);
    check.asked = std::string(asked);
    check.source = std::string(source);
    check.verdict = SecurityVerdict::kUnknown;
    check.actual = std::string(actual.status().message());
    if (actual.ok()) {
      check.actual = *actual;
      check.verdict =
          same ? SecurityVerdict::kSame : SecurityVerdict::kDifferent;
    }
    checks_.push_back(std::move(check));
  }
  void Equal(absl::string_view id, absl::string_view what,
             const std::string& asked, const Read& actual,
             absl::string_view source) {
    Add(id, what, OrNone(asked), actual.ok() ? Read(OrNone(*actual)) : actual,
        actual.ok() && *actual == asked, source);
  }
  void Tell(absl::string_view id, absl::string_view what, const Read& actual,
            absl::string_view source) {
    Add(id, what, "", actual, true, source);
    checks_.back().verdict = SecurityVerdict::kInformation;
    checks_.back().actual =
        actual.ok() ? OrNone(*actual) : std::string(actual.status().message());
  }
  // What only a plan says cannot be compared with.
  void ForgetPlan() {
    static const auto* const kOfPlan = new std::set<absl::string_view>{
        "process.binary", "descriptors.files", "descriptors.devices",
        "cgroup.memory",  "cgroup.pids",       "cgroup.cpu"};
    for (SecurityCheck& check : checks_) {
      if (kOfPlan->count(check.id) == 0) continue;
      check.asked = absl::StrCat("not known: ", asked_.no_plan);
      check.verdict = SecurityVerdict::kUnknown;
    }
  }
  static Read AsText(const absl::StatusOr<int64_t>& number) {
    if (!number.ok()) return number.status();
    return absl::StrCat(*number);
  }
  static std::string InField(absl::string_view field) {
    return absl::StrCat(kStatus, ", ", field);
  }

  void ReviewProcess() {
    Equal("process.identity", "which process",
          absl::StrCat(asked_.process.pid, " since ",
                       asked_.process.start_time_ticks),
          absl::StrCat(facts_.pid, " since ", facts_.start_time_ticks),
          "the launcher's journal; /proc/PID/stat, field 22");
    Equal("process.binary", "what it executes", asked_.binary,
          reader_.Line("exe"), "/proc/PID/exe");
    Equal("process.tracer", "who traces it", "0",
          reader_.Field("status", "TracerPid"), InField("TracerPid"));
  }

  void ReviewIdentity() {
    Equal("identity.uid", "real, effective, saved and file system uid",
          FourTimes(asked_.process.unix_uid), reader_.Field("status", "Uid"),
          InField("Uid"));
    Equal("identity.gid", "real, effective, saved and file system gid",
          FourTimes(asked_.process.unix_gid), reader_.Field("status", "Gid"),
          InField("Gid"));
    const Read groups = reader_.Field("status", "Groups");
    if (asked_.own_groups_only) {
      Equal("identity.groups", "supplementary groups", "", groups,
            InField("Groups"));
    } else {
      Tell("identity.groups", "supplementary groups", groups,
           InField("Groups"));
    }
    Tell("identity.user_namespace_map", "uids of its user namespace",
         Squeezed(reader_.Line("uid_map")), "/proc/PID/uid_map");
  }

  static Read Squeezed(const Read& text) {
    if (!text.ok()) return text;
    const std::vector<absl::string_view> words =
        absl::StrSplit(*text, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
    return absl::StrJoin(words, " ");
  }

  void ReviewPrivileges() {
    const std::pair<const char*, const char*> sets[] = {
        {"inheritable", "CapInh"},
        {"permitted", "CapPrm"},
        {"effective", "CapEff"},
        {"bounding", "CapBnd"},
        {"ambient", "CapAmb"}};
    for (const auto& [name, field] : sets) {
      Equal(absl::StrCat("capabilities.", name),
            absl::StrCat(name, " capabilities"),
            absl::StrFormat("%016x", asked_.capabilities),
            reader_.Field("status", field), InField(field));
    }
    Equal("privileges.no_new_privs", "whether exec gives no privileges", "1",
          reader_.Field("status", "NoNewPrivs"), InField("NoNewPrivs"));
    Equal("seccomp.mode", "system call filter: 2 is on", "2",
          reader_.Field("status", "Seccomp"), InField("Seccomp"));
    ReviewFilterCount();
    Equal("process.personality", "execution domain", "00000000",
          reader_.Line("personality"), "/proc/PID/personality");
  }

  void ReviewFilterCount() {
    const Read count = reader_.Field("status", "Seccomp_filters");
    int64_t own = 0, host = 0;
    // Those that came down from the launcher are there in any case.
    const Read of_host = reader_.Field("host.status", "Seccomp_filters");
    const bool same =
        count.ok() && of_host.ok() && absl::SimpleAtoi(*count, &own) &&
        absl::SimpleAtoi(*of_host, &host) && own - host >= asked_.filters;
    Add("seccomp.filters", "system call filters: the launcher's and QEMU's",
        absl::StrCat("at least ", asked_.filters),
        of_host.ok() ? count : of_host, same, InField("Seccomp_filters"));
    if (count.ok() && of_host.ok()) {
      checks_.back().actual = absl::StrCat(own - host);
    }
  }

  void ReviewNamespaces() {
    for (const auto& [kind, which] : asked_.namespaces) {
      const Read actual = reader_.Entry("ns", kind);
      const Read host = reader_.Entry("host.ns", kind);
      const bool is_host = actual.ok() && host.ok() && *actual == *host;
      const bool same = which == AskedNamespace::kHost ? is_host : !is_host;
      std::string asked = absl::StrCat("not the host's, ", host.value_or("?"));
      if (which == AskedNamespace::kHost) {
        asked = absl::StrCat("the host's, ", host.value_or("?"));
      }
      Add(absl::StrCat("namespace.", kind), absl::StrCat(kind, " namespace"),
          asked, host.ok() ? actual : host, same,
          absl::StrCat("/proc/PID/ns/", kind));
    }
  }

  void ReviewFiles() {
    Equal("files.root", "root, within its mounts", "/", reader_.Line("root"),
          "/proc/PID/root");
    Equal("files.working_directory", "working directory", "/",
          reader_.Line("cwd"), "/proc/PID/cwd");
    // /proc is the process's own; nothing in it can be made.
    ReviewMounts("files.read_only", "mounts that can be written", "ro",
                 "/proc");
    ReviewMounts("files.nosuid", "mounts with set-user-id programs", "nosuid",
                 "");
    ReviewMounts("files.nodev", "mounts with devices", "nodev", "/dev");
    const auto mounts = reader_.Mounts();
    Tell("files.mounts", "mounts",
         mounts.ok() ? Read(absl::StrCat(mounts->size())) : mounts.status(),
         "/proc/PID/mountinfo");
    ReviewDescriptors();
    const Read names = reader_.Text("environ");
    std::set<std::string> variables;
    if (names.ok()) {
      variables = absl::StrSplit(*names, '\n', absl::SkipEmpty());
    }
    Add("environment.names", "variables", absl::StrJoin(asked_.variables, " "),
        names.ok() ? Read(OrNone(absl::StrJoin(variables, " "))) : names,
        variables == asked_.variables, "/proc/PID/environ");
  }

  // Every mount but `except` must have `option`.
  void ReviewMounts(absl::string_view id, absl::string_view what,
                    absl::string_view option, absl::string_view except) {
    const auto mounts = reader_.Mounts();
    std::set<std::string> without;
    Read actual = std::string();
    if (!mounts.ok()) {
      actual = mounts.status();
    } else {
      for (const MountFact& mount : *mounts) {
        if (mount.point != except && !mount.Has(option)) {
          without.insert(mount.point);
        }
      }
      actual = OrNone(absl::StrJoin(without, " "));
    }
    Add(id, what, "none", actual, without.empty(), "/proc/PID/mountinfo");
  }

  void ReviewDescriptors() {
    const auto fds = reader_.Fds();
    constexpr absl::string_view kSource = "/proc/PID/fd";
    int64_t files = 0, total = 0, directories = 0;
    std::set<std::string> devices;
    std::vector<std::string> kinds;
    if (fds.ok()) {
      for (const auto& [name, kind] : *fds) {
        total += kind.count;
        kinds.push_back(absl::StrCat(name, ":", kind.count));
        if (name == "directory") directories += kind.count;
        if (absl::StartsWith(name, "file-")) files += kind.distinct;
        absl::string_view device = name;
        if (absl::ConsumePrefix(&device, "device:")) {
          devices.insert(std::string(device));
        }
      }
    }
    // Disks of a pool of block devices count as files.
    for (auto device = devices.begin(); device != devices.end();) {
      const bool disk =
          asked_.devices.count(*device) == 0 && files < asked_.files;
      if (disk) ++files;
      device = disk ? devices.erase(device) : std::next(device);
    }
    const auto read = [&](absl::string_view text) -> Read {
      if (!fds.ok()) return fds.status();
      return std::string(text);
    };
    Add("descriptors.files", "different files that are open",
        absl::StrCat("at most ", asked_.files), read(absl::StrCat(files)),
        files <= asked_.files, kSource);
    Add("descriptors.directories", "directories that are open", "0",
        read(absl::StrCat(directories)), directories == 0, kSource);
    Add("descriptors.devices", "devices that are open",
        absl::StrCat("of ", absl::StrJoin(asked_.devices, " ")),
        read(OrNone(absl::StrJoin(devices, " "))),
        std::includes(asked_.devices.begin(), asked_.devices.end(),
                      devices.begin(), devices.end()),
        kSource);
    Tell("descriptors.kinds", absl::StrCat("kinds of its open descriptors"),
         read(absl::StrCat(total, " (", absl::StrJoin(kinds, " "), ")")),
         kSource);
  }

  void ReviewNetwork() {
    const auto net = asked_.namespaces.find("net");
    const bool own =
        net == asked_.namespaces.end() || net->second == AskedNamespace::kOwn;
    for (const char* protocol :
         {"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "unix"}) {
      const std::string id = absl::StrCat("sockets.", protocol);
      const std::string what =
          absl::StrCat(protocol, " sockets to reach in its network namespace");
      const std::string source = absl::StrCat("/proc/PID/net/", protocol);
      const Read sockets = reader_.Text("sockets");
      Read count = reader_.Entry("sockets", protocol);
      // A kernel without the protocol has no sockets of it.
      if (sockets.ok() && !count.ok()) count = "0";
      if (own) {
        Equal(id, what, "0", count, source);
      } else {
        Tell(id, what, count, source);
      }
    }
  }

  void ReviewLimits() {
    for (const auto& [name, most] : asked_.limits) {
      const auto limit = reader_.Limit(name);
      Read actual = std::string();
      bool same = false;
      if (!limit.ok()) {
        actual = limit.status();
      } else {
        actual = absl::StrCat(limit->first, " ", limit->second);
        same = IsAtMost(limit->first, most) && IsAtMost(limit->second, most);
      }
      Add(absl::StrCat("limits.", IdOfLimit(name)), name,
          absl::StrCat("at most ", most), actual, same, "/proc/PID/limits");
    }
  }

  // "Max core file size" becomes "core_file_size".
  static std::string IdOfLimit(absl::string_view name) {
    absl::ConsumePrefix(&name, "Max ");
    std::string id(name);
    std::replace(id.begin(), id.end(), ' ', '_');
    return id;
  }

  void ReviewSchedule() {
    const auto score = reader_.Number("oom_score_adj");
    Add("schedule.oom_score", "how soon it is killed when memory runs out",
        absl::StrCat("at least ", asked_.oom_score), AsText(score),
        score.ok() && *score >= asked_.oom_score, "/proc/PID/oom_score_adj");
    Equal("schedule.nice", "nice value", absl::StrCat(asked_.nice),
          AsText(reader_.StatField(19)), "/proc/PID/stat, field 19");
    Equal("schedule.policy", "scheduling policy: 0 is the usual one", "0",
          AsText(reader_.StatField(41)), "/proc/PID/stat, field 41");
    Read actual = reader_.Field("status", "Cpus_allowed_list");
    Read wanted = reader_.Field("host.status", "Cpus_allowed_list");
    if (asked_.affinity.has_value()) wanted = *asked_.affinity;
    // What to compare with is not known.
    if (!wanted.ok()) actual = wanted.status();
    Equal("schedule.affinity", "processors that it may run on",
          wanted.value_or("those of the host"), actual,
          InField("Cpus_allowed_list"));
  }

  void ReviewCgroups() {
    ReviewGroup();
    // Version 2 or 1: one of the two is there.
    Read memory = reader_.Line("cgroup.memory.max");
    if (!memory.ok()) memory = reader_.Line("cgroup.memory.limit_in_bytes");
    Add("cgroup.memory", "memory, in bytes",
        absl::StrCat("at most ", asked_.memory_bytes), memory,
        memory.ok() && IsAtMost(*memory, asked_.memory_bytes),
        "its control group's memory.max or memory.limit_in_bytes");
    const Read pids = reader_.Line("cgroup.pids.max");
    Add("cgroup.pids", "processes and threads",
        absl::StrCat("at most ", asked_.pids), pids,
        pids.ok() && IsAtMost(*pids, asked_.pids),
        "its control group's pids.max");
    ReviewProcessorTime();
    Read swap = reader_.Line("cgroup.memory.swap.max");
    if (!swap.ok()) swap = reader_.Line("cgroup.memory.memsw.limit_in_bytes");
    Tell("cgroup.swap", "swap, or memory and swap, in bytes", swap,
         "its control group's memory.swap.max or memory.memsw.limit_in_bytes");
    ReviewWeight();
    Read io = Squeezed(reader_.Line("cgroup.io.max"));
    if (!io.ok()) {
      io = Squeezed(reader_.Line("cgroup.blkio.throttle.read_bps_device"));
    }
    Tell("cgroup.io", "limits of its disks", io,
         "its control group's io.max or blkio.throttle.read_bps_device");
  }

  void ReviewWeight() {
    constexpr absl::string_view kWhat = "share of processor time";
    constexpr absl::string_view kSource =
        "its control group's cpu.weight or cpu.shares";
    // 1024 shares of version 1 are a weight of 100.
    std::string asked = absl::StrCat(asked_.cpu_weight);
    Read weight = reader_.Line("cgroup.cpu.weight");
    if (!weight.ok()) {
      weight = reader_.Line("cgroup.cpu.shares");
      asked =
          absl::StrCat(std::max(kFewestShares, asked_.cpu_weight * 1024 / 100));
    }
    if (asked_.cpu_weight == 0) {
      Tell("cgroup.cpu_weight", kWhat, weight, kSource);
    } else {
      Equal("cgroup.cpu_weight", kWhat, asked, weight, kSource);
    }
  }

  // The guest's own group, wherever a controller limits it.
  void ReviewGroup() {
    const Read text = reader_.Text("cgroup");
    const std::string end = absl::StrCat("/", asked_.group);
    std::vector<std::string> elsewhere;
    std::set<std::string> paths;
    if (text.ok()) {
      for (const absl::string_view line :
           absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
        const std::vector<std::string> parts =
            absl::StrSplit(line, absl::MaxSplits(':', 2));
        if (parts.size() != 3) continue;
        const std::set<absl::string_view> controllers =
            absl::StrSplit(parts[1], ',');
        const bool limits = controllers.count("cpu") != 0 ||
                            controllers.count("memory") != 0 ||
                            controllers.count("pids") != 0;
        const bool unified = parts[0] == "0" && parts[1].empty();
        if (!limits && !unified) continue;
        paths.insert(parts[2]);
        if (!absl::EndsWith(parts[2], end)) elsewhere.push_back(parts[2]);
      }
    }
    Add("cgroup.group", "control group, in each hierarchy with limits",
        absl::StrCat("...", end),
        text.ok() ? Read(OrNone(absl::StrJoin(paths, " "))) : text,
        elsewhere.empty() && !paths.empty(), "/proc/PID/cgroup");
  }

  void ReviewProcessorTime() {
    std::vector<std::string> parts;
    Read actual = Squeezed(reader_.Line("cgroup.cpu.max"));
    if (!actual.ok()) {
      actual = Squeezed(reader_.Line("cgroup.cpu.cfs_quota_us"));
      if (actual.ok()) {
        absl::StrAppend(&*actual, " ",
                        reader_.Line("cgroup.cpu.cfs_period_us")
                            .value_or(absl::StrCat(kCpuPeriodMicros)));
      }
    }
    int64_t quota = 0, period = 0;
    if (actual.ok()) parts = absl::StrSplit(*actual, ' ');
    const bool limited =
        parts.size() == 2 && absl::SimpleAtoi(parts[0], &quota) &&
        absl::SimpleAtoi(parts[1], &period) && quota > 0 && period > 0;
    Add("cgroup.cpu", "processor time, microseconds in each period of some",
        asked_.cpu_millis == 0
            ? "no limit"
            : absl::StrCat("at most ", asked_.cpu_millis, "/1000"),
        actual,
        asked_.cpu_millis == 0 ||
            (limited && quota * 1000 <= asked_.cpu_millis * period),
        "its control group's cpu.max or cpu.cfs_quota_us");
  }

  void ReviewLabels() {
    constexpr absl::string_view kSelinux = "/proc/PID/attr/current";
    if (asked_.selinux.empty() && asked_.apparmor.empty()) {
      // EINVAL where no security module gives labels.
      Tell("label.current", "label of the mandatory access control",
           reader_.Line("attr"), kSelinux);
    }
    ReviewLabel("label.selinux", "SELinux label", asked_.selinux, "attr",
                kSelinux);
    ReviewLabel("label.apparmor", "AppArmor profile", asked_.apparmor,
                "attr.apparmor", "/proc/PID/attr/apparmor/current");
    if (asked_.landlock_required) {
      Tell("landlock.rules", "Landlock's rules, which the launch required",
           absl::NotFoundError("the kernel does not tell; a launch that cannot "
                               "have them fails"),
           "landlock(7)");
    }
  }

  // The categories of one guest, or a profile's mode, follow.
  void ReviewLabel(absl::string_view id, absl::string_view what,
                   const std::string& asked, absl::string_view fact,
                   absl::string_view source) {
    if (asked.empty()) return;
    const Read label = reader_.Line(fact);
    Add(id, what, asked, label, label.ok() && absl::StartsWith(*label, asked),
        source);
  }

  void ReviewKeeper() {
    constexpr absl::string_view kSource = "/proc/KEEPER/status";
    const auto field = [&](absl::string_view name) {
      return reader_.Field("keeper.status", name);
    };
    const Read uid = field("Uid");
    Add("keeper.uid", "the keeper's uid",
        absl::StrCat("neither 0 nor ", asked_.process.unix_uid), uid,
        uid.ok() && *uid != FourTimes(asked_.process.unix_uid) &&
            !absl::StrContains(absl::StrCat(" ", *uid, " "), " 0 "),
        kSource);
    Equal("keeper.capabilities", "the keeper's bounding capabilities",
          absl::StrFormat("%016x", 0), field("CapBnd"), kSource);
    Equal("keeper.no_new_privs", "whether exec gives the keeper no privileges",
          "1", field("NoNewPrivs"), kSource);
    Equal("keeper.seccomp", "the keeper's system call filter: 2 is on", "2",
          field("Seccomp"), kSource);
  }

  void ReviewHost() {
    Tell("host.core_pattern", "what happens to cores",
         reader_.Line("host.core_pattern"), "/proc/sys/kernel/core_pattern");
    Tell("host.security_modules", "security modules of the kernel",
         reader_.Line("host.lsm"), "/sys/kernel/security/lsm");
  }

  const AskedContext& asked_;
  const GuestFacts& facts_;
  const FactReader reader_;
  std::vector<SecurityCheck> checks_;
};

}  // namespace

std::vector<SecurityCheck> ReviewSecurity(const AskedContext& asked,
                                          const GuestFacts& facts) {
  return Reviewer(asked, facts).Review();
}

}  // namespace innkeeper
