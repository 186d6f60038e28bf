// Contexts of real processes, looked at from outside: in /proc and in the
// control groups.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr uint32_t kNamedUid = 1894000000;
constexpr uint32_t kOwnerUid = 1894000100;
constexpr uint32_t kGroup = 1894000200;

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Field of /proc/PID/status, its white space made single blanks.
std::string StatusField(int64_t pid, const std::string& field) {
  for (const auto line :
       absl::StrSplit(Slurp(absl::StrCat("/proc/", pid, "/status")), '\n')) {
    if (!absl::StartsWith(line, field + ":")) continue;
    const std::vector<std::string> words =
        absl::StrSplit(line.substr(field.size() + 1), absl::ByAnyChar(" \t"),
                       absl::SkipEmpty());
    return absl::StrJoin(words, " ");
  }
  return "no such field";
}

std::string NamespaceOf(const std::string& process, const std::string& kind) {
  std::error_code error;
  return fs::read_symlink("/proc/" + process + "/ns/" + kind, error).string();
}

std::string FourTimes(uint32_t id) {
  return absl::StrCat(id, " ", id, " ", id, " ", id);
}

class ContextTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(harness_.Start(
                    {}, {absl::StrCat("--identity=build=", kNamedUid, ":",
                                      kNamedUid, ":", kNamedUid + 1),
                         absl::StrCat("--owner-identity=user/ada=", kOwnerUid,
                                      ":", kOwnerUid),
                         absl::StrCat("--context-group=disks=", kGroup),
                         "--allow-capability=net_admin", "--least-nice=-5",
                         "--root=small=" + MakeRoot()}),
                IsOk());
  }

  // A root with the fake QEMU and the libraries that it is linked with.
  std::string MakeRoot() {
    const std::string root = harness_.dir() + "/root";
    for (const char* directory : {"/proc", "/dev", "/etc"}) {
      fs::create_directories(root + directory);
    }
    std::ofstream(root + "/etc/marker") << "the small root";
    Copy(harness_.fake_qemu(), root);
    FILE* const pipe = popen(("ldd " + harness_.fake_qemu()).c_str(), "r");
    char line[4096];
    while (fgets(line, sizeof(line), pipe) != nullptr) {
      for (const auto word :
           absl::StrSplit(line, absl::ByAnyChar(" \t\n"), absl::SkipEmpty())) {
        if (absl::StartsWith(word, "/")) Copy(std::string(word), root);
      }
    }
    pclose(pipe);
    return root;
  }

  static void Copy(const std::string& file, const std::string& root) {
    fs::create_directories((root + file).substr(0, (root + file).rfind('/')));
    fs::copy_file(file, root + file, fs::copy_options::overwrite_existing);
  }

  LaunchPlan Plan(const std::string& guest) {
    return harness_.FakePlan(guest, {"sleep"});
  }

  // What `guest` is told that its probe said, once it is done.
  std::string ProbeOutput(const std::string& guest) {
    const std::string log = harness_.guest_dir(guest) + "/log/stderr.log";
    EXPECT_TRUE(Eventually([&] {
      return absl::StrContains(Slurp(log), "probe done");
    })) << Slurp(log);
    return Slurp(log);
  }

  LauncherHarness harness_;
};

TEST_F(ContextTest, NamedIdentityIsTheConfigurationsAndTheKeepersIsNot) {
  LaunchPlan plan = Plan("named");
  plan.context.identity = IdentityKind::kNamed;
  plan.context.identity_name = "build";
  plan.context.groups = {"disks"};

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  EXPECT_EQ(launched->unix_uid, kNamedUid);
  EXPECT_EQ(StatusField(launched->pid, "Uid"), FourTimes(kNamedUid));
  EXPECT_EQ(StatusField(launched->pid, "Gid"), FourTimes(kNamedUid));
  EXPECT_EQ(StatusField(launched->pid, "Groups"),
            absl::StrCat(kNamedUid + 1, " ", kGroup));
  EXPECT_EQ(StatusField(launched->keeper_pid, "Uid"),
            FourTimes(kTestUidBase + 1));
  EXPECT_EQ(StatusField(launched->keeper_pid, "Groups"), "");
  EXPECT_EQ((*harness_.List())[0].unix_uid, kNamedUid);
}

TEST_F(ContextTest, OwnersIdentityIsForThatOwnerOnly) {
  LaunchPlan plan = Plan("owned");
  plan.context.identity = IdentityKind::kOwner;
  const auto launched = harness_.Launch(plan);
  ASSERT_THAT(launched, IsOk());
  EXPECT_EQ(StatusField(launched->pid, "Uid"), FourTimes(kOwnerUid));

  LaunchPlan other = Plan("other");
  other.owner = "user/bob";
  other.context.identity = IdentityKind::kOwner;
  EXPECT_THAT(harness_.Launch(other), HasReason(reason::kContextUnavailable));
}

TEST_F(ContextTest, GuestsOfOneUidAreEndedAlone) {
  LaunchPlan one = Plan("one");
  one.context.identity = IdentityKind::kOwner;
  LaunchPlan two = Plan("two");
  two.context.identity = IdentityKind::kOwner;
  const auto first = harness_.Launch(one);
  const auto second = harness_.Launch(two);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->unix_uid, second->unix_uid);
  for (const char* kind : {"cgroup", "ipc", "mnt", "net", "pid", "uts"}) {
    EXPECT_NE(NamespaceOf(absl::StrCat(first->pid), kind),
              NamespaceOf(absl::StrCat(second->pid), kind))
        << kind;
  }

  ASSERT_THAT(harness_.Release("one"), IsOk());

  EXPECT_FALSE(fs::exists(absl::StrCat("/proc/", first->pid, "/exe")));
  EXPECT_EQ(StatusField(second->pid, "Uid"), FourTimes(kOwnerUid));
}

TEST_F(ContextTest, HostNamespacesAreTheHostsAndItsNameStays) {
  char before[256];
  ASSERT_EQ(gethostname(before, sizeof(before)), 0);
  LaunchPlan plan = Plan("open");
  LaunchNamespaces& namespaces = plan.context.namespaces;
  namespaces.network = namespaces.ipc = namespaces.uts = namespaces.cgroup =
      NamespaceMode::kHost;

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  const std::string pid = absl::StrCat(launched->pid);
  for (const char* kind : {"net", "ipc", "uts", "cgroup", "user", "time"}) {
    EXPECT_EQ(NamespaceOf(pid, kind), NamespaceOf("self", kind)) << kind;
  }
  for (const char* kind : {"mnt", "pid"}) {
    EXPECT_NE(NamespaceOf(pid, kind), NamespaceOf("self", kind)) << kind;
  }
  char after[256];
  ASSERT_EQ(gethostname(after, sizeof(after)), 0);
  EXPECT_STREQ(before, after);
}

TEST_F(ContextTest, UserNamespaceHoldsTheGuestsIdsAlone) {
  LaunchPlan plan = Plan("user");
  plan.argv = {harness_.fake_qemu(), "probe"};
  plan.context.namespaces.user = NamespaceMode::kNew;
  plan.context.groups = {"disks"};
  ASSERT_THAT(harness_.Launch(plan), IsOk());
  const std::string said = ProbeOutput("user");
  EXPECT_THAT(said, Not(HasSubstr("ALLOWED")));
  EXPECT_THAT(said, Not(HasSubstr("BROKEN")));

  LaunchPlan sleeper = plan;
  sleeper.guest = "sleeper";
  sleeper.uid = Plan("sleeper").uid;
  sleeper.argv = {harness_.fake_qemu(), "sleep"};
  const auto launched = harness_.Launch(sleeper);

  ASSERT_THAT(launched, IsOk());
  const std::string pid = absl::StrCat(launched->pid);
  EXPECT_NE(NamespaceOf(pid, "user"), NamespaceOf("self", "user"));
  const uint32_t uid = launched->unix_uid;
  EXPECT_EQ(StatusField(launched->pid, "Uid"), FourTimes(uid));
  EXPECT_EQ(StatusField(launched->pid, "Groups"), absl::StrCat(kGroup));
  EXPECT_THAT(Slurp("/proc/" + pid + "/uid_map"),
              ContainsRegex(absl::StrCat("^ *", uid, " +", uid, " +1\n$")));
  EXPECT_EQ(StatusField(launched->pid, "CapBnd"), "0000000000000000");
  EXPECT_EQ(StatusField(launched->pid, "CapEff"), "0000000000000000");
  EXPECT_EQ(StatusField(launched->pid, "NoNewPrivs"), "1");
  // The keeper is the host's, in its short list of calls.
  EXPECT_EQ(NamespaceOf(absl::StrCat(launched->keeper_pid), "user"),
            NamespaceOf("self", "user"));
}

TEST_F(ContextTest, RealQemuRunsInEveryNewNamespace) {
  LaunchPlan plan = harness_.QemuPlan("every");
  plan.context.namespaces.user = NamespaceMode::kNew;
  plan.context.namespaces.time = NamespaceMode::kNew;
  plan.context.landlock = LandlockMode::kIfAvailable;

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  EXPECT_TRUE(Eventually([&] {
    int filters = -1, before = -1;
    return absl::SimpleAtoi(StatusField(launched->pid, "Seccomp_filters"),
                            &filters) &&
           absl::SimpleAtoi(StatusField(getpid(), "Seccomp_filters"),
                            &before) &&
           filters == before + 2;
  })) << Slurp(harness_.guest_dir("every") + "/log/stderr.log");
  const std::string pid = absl::StrCat(launched->pid);
  for (const char* kind :
       {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}) {
    EXPECT_NE(NamespaceOf(pid, kind), NamespaceOf("self", kind)) << kind;
  }
}

TEST_F(ContextTest, CapabilitiesOfTheListAreKeptAndNoOthers) {
  LaunchPlan plan = Plan("capable");
  plan.context.capabilities = {"net_admin"};

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(StatusField(launched->pid, set), "0000000000001000") << set;
  }
  EXPECT_EQ(StatusField(launched->pid, "NoNewPrivs"), "1");
  EXPECT_EQ(StatusField(launched->keeper_pid, "CapEff"), "0000000000000000");
}

TEST_F(ContextTest, LimitsAndSchedulingAreTheContexts) {
  LaunchPlan plan = Plan("limited");
  plan.context.rlimits = {{"nofile", 2048}, {"cpu", 3600}};
  plan.context.nice = -3;
  plan.context.cpu_affinity = "0";
  plan.context.oom_score_adj = 700;
  plan.context.environment = {{"QEMU_AUDIO_DRV", "none"}, {"A", "b c"}};

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  const std::string proc = absl::StrCat("/proc/", launched->pid);
  const std::string limits = Slurp(proc + "/limits");
  EXPECT_THAT(limits, ContainsRegex("Max open files +2048 +2048 "));
  EXPECT_THAT(limits, ContainsRegex("Max cpu time +3600 +3600 "));
  EXPECT_THAT(limits, ContainsRegex("Max core file size +1 +1 "));
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(launched->pid)), -3);
  EXPECT_EQ(StatusField(launched->pid, "Cpus_allowed_list"), "0");
  EXPECT_EQ(Slurp(proc + "/oom_score_adj"), "700\n");
  EXPECT_EQ(Slurp(proc + "/environ"),
            std::string("PATH=/usr/bin:/bin\0LANG=C\0HOME=/\0A=b c\0"
                        "QEMU_AUDIO_DRV=none\0",
                        59));
  // The keeper keeps the usual ones.
  const std::string keepers =
      Slurp(absl::StrCat("/proc/", launched->keeper_pid, "/limits"));
  EXPECT_THAT(keepers, ContainsRegex("Max open files +1024 +1024 "));
  EXPECT_THAT(keepers, ContainsRegex("Max cpu time +unlimited +unlimited "));
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(launched->keeper_pid)),
            getpriority(PRIO_PROCESS, 0));
}

TEST_F(ContextTest, SliceHoldsTheGroupsAndGoesWithTheLastGuest) {
  LaunchPlan plan = Plan("sliced");
  plan.context.cgroup.slice = "batch";
  plan.context.cgroup.cpu_weight = 50;
  const auto launched = harness_.Launch(plan);
  ASSERT_THAT(launched, IsOk());
  EXPECT_THAT(harness_.CgroupsOf("sliced"), IsEmpty());
  const auto groups = harness_.CgroupsOf("batch.slice/sliced");
  ASSERT_THAT(groups, Not(IsEmpty()));
  bool weighed = false;
  for (const std::string& group : groups) {
    EXPECT_THAT(Slurp(group + "/cgroup.procs"),
                HasSubstr(absl::StrCat(launched->pid)))
        << group;
    weighed |= Slurp(group + "/cpu.shares") == "512\n" ||
               Slurp(group + "/cpu.weight") == "50\n";
  }
  EXPECT_TRUE(weighed);
  plan.guest = "second";
  plan.uid = Plan("second").uid;
  ASSERT_THAT(harness_.Launch(plan), IsOk());

  ASSERT_THAT(harness_.Release("sliced"), IsOk());
  EXPECT_THAT(harness_.CgroupsOf("batch.slice/second"), Not(IsEmpty()));
  ASSERT_THAT(harness_.Release("second"), IsOk());

  EXPECT_THAT(harness_.CgroupsOf("batch.slice"), IsEmpty());
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(ContextTest, GuestInASliceIsFoundAgainByANewLauncher) {
  LaunchPlan plan = Plan("stays");
  plan.context.cgroup.slice = "batch";
  plan.context.identity = IdentityKind::kNamed;
  plan.context.identity_name = "build";
  const auto launched = harness_.Launch(plan);
  ASSERT_THAT(launched, IsOk());

  harness_.Kill();
  ASSERT_THAT(harness_.Start(), IsOk());

  const auto listed = harness_.List();
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_TRUE((*listed)[0].running);
  EXPECT_EQ((*listed)[0].unix_uid, kNamedUid);
  ASSERT_THAT(harness_.Release("stays"), IsOk());
  EXPECT_FALSE(fs::exists(absl::StrCat("/proc/", launched->pid, "/exe")));
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(ContextTest, IoIsLimitedOnTheDevicesOfTheDisks) {
  const auto offer = harness_.Offer();
  ASSERT_THAT(offer, IsOk());
  if (!offer->io_limits) GTEST_SKIP() << "NOT RUN: I/O cannot be limited here";
  std::ofstream(harness_.pool_dir() + "/disk.img") << "x";
  LaunchPlan plan = Plan("io");
  plan.images = {{"disks", "disk.img", false}};
  plan.fds.push_back({7, FdKind::kImage, 0});
  plan.context.cgroup.io_read_bytes_per_second = 1 << 20;
  plan.context.cgroup.io_writes_per_second = 77;

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  std::string reads;
  std::string writes;
  for (const std::string& group : harness_.CgroupsOf("io")) {
    reads += Slurp(group + "/blkio.throttle.read_bps_device") +
             Slurp(group + "/io.max");
    writes += Slurp(group + "/blkio.throttle.write_iops_device") +
              Slurp(group + "/io.max");
    EXPECT_THAT(Slurp(group + "/cgroup.procs"),
                HasSubstr(absl::StrCat(launched->pid)))
        << group;
  }
  EXPECT_THAT(reads, ContainsRegex("[0-9]+:[0-9]+ .*1048576"));
  EXPECT_THAT(writes, ContainsRegex("[0-9]+:[0-9]+ .*77"));
}

TEST_F(ContextTest, ConfiguredRootReplacesTheUsualOne) {
  LaunchPlan plan = Plan("rooted");
  plan.context.root = "small";

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk())
      << Slurp(harness_.guest_dir("rooted") + "/log/stderr.log");
  const std::string root = absl::StrCat("/proc/", launched->pid, "/root");
  EXPECT_EQ(Slurp(root + "/etc/marker"), "the small root");
  EXPECT_FALSE(fs::exists(root + "/usr/bin"));
  EXPECT_TRUE(fs::exists(root + "/dev/null"));
  for (const auto line : absl::StrSplit(
           Slurp(absl::StrCat("/proc/", launched->pid, "/mountinfo")), '\n',
           absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    EXPECT_THAT(fields[5], HasSubstr("nosuid")) << line;
    if (fields[4] != "/proc") {
      EXPECT_TRUE(absl::StartsWith(fields[5], "ro,")) << line;
    }
  }
  // What is not in the root cannot be run there.
  LaunchPlan qemu = harness_.QemuPlan("without");
  qemu.context.root = "small";
  EXPECT_THAT(harness_.Launch(qemu), HasReason(reason::kContextUnavailable));
}

TEST_F(ContextTest, BrokenOutGuestOfAConfiguredRootIsRefusedEverything) {
  LaunchPlan plan = Plan("rooted-probe");
  plan.argv = {harness_.fake_qemu(), "probe"};
  plan.context.root = "small";
  ASSERT_THAT(harness_.Launch(plan), IsOk());

  const std::string said = ProbeOutput("rooted-probe");

  EXPECT_THAT(said, Not(HasSubstr("ALLOWED")));
  EXPECT_THAT(said, HasSubstr("user_namespace refused"));
}

TEST_F(ContextTest, NamedNetworkIsEnteredAndAnotherNameRefused) {
  fs::create_directories("/run/netns");
  const std::string name = absl::StrCat("ik-test-", getpid());
  const std::string path = "/run/netns/" + name;
  std::ofstream(path).flush();
  const pid_t child = fork();
  if (child == 0) {
    _exit(unshare(CLONE_NEWNET) == 0 && mount("/proc/self/ns/net", path.c_str(),
                                              nullptr, MS_BIND, nullptr) == 0
              ? 0
              : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  LaunchPlan plan = Plan("networked");
  plan.context.namespaces.network = NamespaceMode::kNamed;
  plan.context.namespaces.network_name = name;
  const auto offer = harness_.Offer();

  const auto launched = harness_.Launch(plan);
  struct stat info;
  const bool found = stat(path.c_str(), &info) == 0;
  umount2(path.c_str(), MNT_DETACH);
  unlink(path.c_str());

  ASSERT_THAT(launched, IsOk());
  ASSERT_TRUE(found);
  EXPECT_EQ(NamespaceOf(absl::StrCat(launched->pid), "net"),
            absl::StrCat("net:[", info.st_ino, "]"));
  ASSERT_THAT(offer, IsOk());
  EXPECT_THAT(*offer->networks, Contains(name));
  // It is gone by name.
  plan.guest = "late";
  plan.uid = Plan("late").uid;
  EXPECT_THAT(harness_.Launch(plan),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("namespaces.network.name")));
}

TEST_F(ContextTest, LandlockMayBeRequiredOrPutOff) {
  const auto offer = harness_.Offer();
  ASSERT_THAT(offer, IsOk());
  for (const LandlockMode mode :
       {LandlockMode::kRequired, LandlockMode::kOff}) {
    const std::string guest =
        mode == LandlockMode::kOff ? "without" : "confined";
    LaunchPlan plan = Plan(guest);
    plan.argv = {harness_.fake_qemu(), "landlock"};
    plan.context.landlock = mode;
    const auto launched = harness_.Launch(plan);
    if (offer->landlock_abi == 0 && mode == LandlockMode::kRequired) {
      EXPECT_THAT(launched, HasReason(reason::kContextUnavailable));
      continue;
    }
    ASSERT_THAT(launched, IsOk());
    const std::string said = ProbeOutput(guest);
    EXPECT_THAT(said,
                HasSubstr(mode == LandlockMode::kOff ? "write_comm ALLOWED"
                                                     : "write_comm refused"));
    EXPECT_THAT(said, HasSubstr("dev_null works"));
  }
}

TEST_F(ContextTest, EveryPartThatCannotBeHadIsToldAtOnceAndNothingIsMade) {
  LaunchPlan plan = Plan("impossible");
  plan.context.identity = IdentityKind::kNamed;
  plan.context.identity_name = "root";
  plan.context.groups = {"wheel"};
  plan.context.root = "etc";
  plan.context.capabilities = {"sys_admin"};
  plan.context.nice = -6;
  plan.context.cpu_affinity = "1000";
  plan.context.namespaces.network = NamespaceMode::kNamed;
  plan.context.namespaces.network_name = "nowhere";

  const absl::Status status = harness_.Launch(plan).status();

  EXPECT_THAT(status, HasReason(reason::kContextUnavailable));
  for (const char* part : {"identity.name", "groups", "root", "capabilities",
                           "nice", "cpu_affinity", "namespaces.network.name"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(ContextTest, LabelsAreRefusedWhereTheModuleIsNotEnabled) {
  const auto offer = harness_.Offer();
  ASSERT_THAT(offer, IsOk());
  if (offer->selinux || offer->apparmor) {
    GTEST_SKIP() << "NOT RUN: this host has a module that it wants absent";
  }
  LaunchPlan selinux = Plan("selinux");
  selinux.context.selinux = {"system_u:system_r:svirt_t:s0", true};
  LaunchPlan apparmor = Plan("apparmor");
  apparmor.context.apparmor.value = "innkeeper-guest";

  EXPECT_THAT(harness_.Launch(selinux),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("SELinux is not enabled")));
  EXPECT_THAT(harness_.Launch(apparmor),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("AppArmor is not enabled")));
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(ContextTest, DiskOnNoDeviceCannotBeLimited) {
  const auto offer = harness_.Offer();
  ASSERT_THAT(offer, IsOk());
  if (!offer->io_limits) GTEST_SKIP() << "NOT RUN: I/O cannot be limited here";
  const std::string point = harness_.pool_dir() + "/memory";
  fs::create_directory(point);
  ASSERT_EQ(mount("tmpfs", point.c_str(), "tmpfs", 0, "size=64k"), 0);
  std::ofstream(point + "/disk.img") << "x";
  LaunchPlan plan = Plan("memory");
  plan.images = {{"disks", "memory/disk.img", false}};
  plan.fds.push_back({7, FdKind::kImage, 0});
  plan.context.cgroup.io_reads_per_second = 10;

  const auto launched = harness_.Launch(plan);
  EXPECT_EQ(umount2(point.c_str(), MNT_DETACH), 0);

  EXPECT_FALSE(launched.ok());
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace innkeeper
