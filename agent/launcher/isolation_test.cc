// Looks at real guests from outside: what confines them must be visible in
// /proc and in the control groups, whatever the launcher believes.
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/launcher/protocol.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

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
    std::string joined;
    for (const std::string& word : words) {
      absl::StrAppend(&joined, joined.empty() ? "" : " ", word);
    }
    return joined;
  }
  return "no such field";
}

// -1 if the process is gone.
int FiltersOf(int64_t pid) {
  int filters = -1;
  const bool read =
      absl::SimpleAtoi(StatusField(pid, "Seccomp_filters"), &filters);
  return read ? filters : -1;
}

// Whether QEMU is set up: it has installed its filter beside the launcher's.
bool HasItsOwnFilter(int64_t pid) {
  return FiltersOf(pid) == FiltersOf(getpid()) + 2;
}

std::string LinkOf(const std::string& path) {
  std::error_code error;
  return fs::read_symlink(path, error).string();
}

std::map<int, std::string> FdsOf(int64_t pid) {
  std::map<int, std::string> fds;
  for (const auto& entry :
       fs::directory_iterator(absl::StrCat("/proc/", pid, "/fd"))) {
    fds[std::stoi(entry.path().filename())] = LinkOf(entry.path());
  }
  return fds;
}

std::vector<std::string> EntriesOf(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

class IsolationTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.Start(), IsOk()); }

  // What holds for QEMU and the keeper alike.
  void ExpectUnprivileged(int64_t pid, uint32_t uid) {
    const std::string four = absl::StrCat(uid, " ", uid, " ", uid, " ", uid);
    EXPECT_EQ(StatusField(pid, "Uid"), four);
    EXPECT_EQ(StatusField(pid, "Gid"), four);
    EXPECT_EQ(StatusField(pid, "Groups"), "");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
      EXPECT_EQ(StatusField(pid, set), "0000000000000000") << set;
    }
    EXPECT_EQ(StatusField(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(LinkOf(absl::StrCat("/proc/", pid, "/cwd")), "/");
    for (const char* ns : {"cgroup", "ipc", "mnt", "net", "pid", "uts"}) {
      const std::string path = absl::StrCat("/ns/", ns);
      EXPECT_NE(LinkOf(absl::StrCat("/proc/", pid, path)),
                LinkOf("/proc/self" + path))
          << ns;
    }
    const std::string limits = Slurp(absl::StrCat("/proc/", pid, "/limits"));
    EXPECT_THAT(limits, testing::ContainsRegex("Max core file size +1 +1 "));
    EXPECT_THAT(limits, testing::ContainsRegex("Max open files +1024 +1024 "));
    EXPECT_THAT(limits, testing::ContainsRegex("Max msgqueue size +0 +0 "));
    EXPECT_EQ(Slurp(absl::StrCat("/proc/", pid, "/oom_score_adj")), "300\n");
  }

  LauncherHarness harness_;
};

TEST_F(IsolationTest, RealQemuIsConfinedInEveryRespect) {
  const LaunchPlan plan = harness_.QemuPlan("web");
  const auto launched = harness_.Launch(plan);
  ASSERT_THAT(launched, IsOk());
  const int64_t pid = launched->pid;
  const std::string proc = absl::StrCat("/proc/", pid);
  // QEMU installs its own filter; from then on it is set up.
  ASSERT_TRUE(Eventually([&] { return HasItsOwnFilter(pid); }))
      << Slurp(harness_.guest_dir("web") + "/log/stderr.log");

  ExpectUnprivileged(pid, launched->unix_uid);
  ExpectUnprivileged(launched->keeper_pid, launched->unix_uid + 1);
  EXPECT_EQ(StatusField(launched->keeper_pid, "Seccomp"), "2");
  EXPECT_EQ(launched->unix_gid, launched->unix_uid);
  EXPECT_GE(launched->unix_uid, kTestUidBase);
  EXPECT_EQ(LinkOf(proc + "/exe"), "/usr/bin/qemu-system-x86_64");
  EXPECT_EQ(StatusField(pid, "NSpid"), absl::StrCat(pid, " 2"));
  EXPECT_EQ(StatusField(launched->keeper_pid, "NSpid"),
            absl::StrCat(launched->keeper_pid, " 1"));
  const std::string environment = Slurp(proc + "/environ");
  EXPECT_EQ(environment,
            std::string("PATH=/usr/bin:/bin\0LANG=C\0HOME=/\0", 33));
  std::string command;
  for (const std::string& argument : plan.argv) command += argument + '\0';
  EXPECT_EQ(Slurp(proc + "/cmdline"), command);
  // The root, seen through the process.
  EXPECT_THAT(EntriesOf(proc + "/root"),
              UnorderedElementsAre("bin", "dev", "etc", "lib", "lib64", "proc",
                                   "sbin", "usr"));
  EXPECT_THAT(EntriesOf(proc + "/root" + "/dev"),
              UnorderedElementsAre("null", "urandom"));
  EXPECT_THAT(EntriesOf(proc + "/root" + "/etc"), ElementsAre("ld.so.cache"));
  int mounts = 0;
  for (const auto line :
       absl::StrSplit(Slurp(proc + "/mountinfo"), '\n', absl::SkipEmpty())) {
    ++mounts;
    EXPECT_THAT(std::string(line), HasSubstr("nosuid"));
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields[4] != "/proc") {
      EXPECT_TRUE(absl::StartsWith(fields[5], "ro,")) << line;
    }
    if (fields[4] != "/dev") {
      EXPECT_THAT(fields[5], HasSubstr("nodev"));
    }
  }
  // Root, /usr, ld.so.cache, /proc, /dev, and what hides the root from above.
  EXPECT_EQ(mounts, 6);
}

TEST_F(IsolationTest, ProcessesHoldExactlyThePlannedDescriptors) {
  LaunchPlan plan = harness_.FakePlan("fds", {"sleep"});
  std::ofstream(harness_.pool_dir() + "/disk.img") << "disk";
  plan.images = {{"disks", "disk.img", true, 1 << 20}};
  plan.overlays = {{1 << 30}};
  plan.ram_bytes = 1 << 20;
  plan.fds = {{3, FdKind::kConsole, 0},    {9, FdKind::kQmp, 0},
              {5, FdKind::kBreakGlass, 0}, {63, FdKind::kRam, 0},
              {7, FdKind::kImage, 0},      {8, FdKind::kOverlay, 0}};

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  // Its dynamic linker opens libraries for a moment.
  Eventually([&] { return FdsOf(launched->pid).size() == 9; });
  const std::map<int, std::string> qemu = FdsOf(launched->pid);
  std::set<int> numbers;
  for (const auto& [number, unused] : qemu) numbers.insert(number);
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2, 3, 5, 7, 8, 9, 63));
  EXPECT_EQ(qemu.at(0), "/dev/null");
  EXPECT_EQ(qemu.at(1), qemu.at(2));
  EXPECT_THAT(qemu.at(1), HasSubstr("pipe:"));
  EXPECT_THAT(qemu.at(3), HasSubstr("socket:"));
  EXPECT_THAT(qemu.at(63), HasSubstr("memfd:guest-ram"));
  EXPECT_THAT(qemu.at(7), HasSubstr("disk.img"));
  EXPECT_THAT(qemu.at(8), HasSubstr("(deleted)"));
  // The keeper: three standard ones, log directory, errors, console, listener,
  // and its own signalfd. Above all: no image, or locks would outlive QEMU.
  ASSERT_TRUE(
      Eventually([&] { return FdsOf(launched->keeper_pid).count(7) == 1; }));
  numbers.clear();
  for (const auto& [number, target] : FdsOf(launched->keeper_pid)) {
    numbers.insert(number);
    EXPECT_THAT(target, Not(HasSubstr("disk.img")));
    EXPECT_THAT(target, Not(HasSubstr("memfd")));
    if (number == 7) {
      EXPECT_THAT(target, HasSubstr("signalfd"));
    }
  }
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  // The launcher keeps nothing of it.
  for (const auto& [unused, target] : FdsOf(harness_.pid())) {
    EXPECT_THAT(target, Not(HasSubstr("disk.img")));
    EXPECT_THAT(target, Not(HasSubstr("memfd")));
  }
}

TEST_F(IsolationTest, EveryHierarchyHoldsTheGuestAndItsLimits) {
  const auto launched = harness_.Launch(harness_.QemuPlan("limits"));
  ASSERT_THAT(launched, IsOk());

  const std::vector<std::string> groups = harness_.CgroupsOf("limits");
  ASSERT_THAT(groups, Not(IsEmpty()));
  for (const std::string& group : groups) {
    const std::vector<std::string> pids =
        absl::StrSplit(Slurp(group + "/cgroup.procs"), '\n', absl::SkipEmpty());
    EXPECT_THAT(pids, UnorderedElementsAre(absl::StrCat(launched->pid),
                                           absl::StrCat(launched->keeper_pid)))
        << group;
  }
  const auto limit = [&](const char* file) {
    for (const std::string& group : groups) {
      if (fs::exists(group + "/" + file)) return Slurp(group + "/" + file);
    }
    return std::string("none");
  };
  EXPECT_THAT(limit("memory.limit_in_bytes") + limit("memory.max"),
              HasSubstr("536870912\n"));
  // Swap, where the kernel counts it.
  EXPECT_THAT(limit("memory.memsw.limit_in_bytes") + limit("memory.swap.max"),
              testing::AnyOf("nonenone", HasSubstr("1073741824\n"),
                             HasSubstr("536870912\n")));
  EXPECT_THAT(limit("pids.max"), HasSubstr("64\n"));
  EXPECT_THAT(limit("cpu.cfs_quota_us") + limit("cpu.max"),
              HasSubstr("150000"));
}

TEST_F(IsolationTest, ConnectingToAMonitorShowsQemusOwnPidAndUid) {
  const auto launched = harness_.Launch(harness_.QemuPlan("peer"));
  ASSERT_THAT(launched, IsOk());
  const struct {
    const char* name;
    int64_t pid;
    uint32_t uid;
  } sockets[] = {
      {"qmp.sock", launched->pid, launched->unix_uid},
      {"qmp2.sock", launched->pid, launched->unix_uid},
      {"console.sock", launched->keeper_pid, launched->unix_uid + 1}};
  for (const auto& expected : sockets) {
    const std::string path = harness_.guest_dir("peer") + "/" + expected.name;
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 0u);
    EXPECT_EQ(info.st_gid, kTestAgentGid);
    EXPECT_EQ(info.st_mode & 07777, 0660u);
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof(address.sun_path));
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
                      sizeof(address)),
              0);
    ucred peer;
    socklen_t size = sizeof(peer);
    ASSERT_EQ(getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    EXPECT_EQ(peer.pid, expected.pid) << expected.name;
    EXPECT_EQ(peer.uid, expected.uid) << expected.name;
  }
  struct stat info;
  ASSERT_EQ(stat(harness_.guest_dir("peer").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0750u);
  EXPECT_EQ(info.st_uid, 0u);
  EXPECT_EQ(info.st_gid, kTestAgentGid);
}

TEST_F(IsolationTest, GuestsShareNoUidAndNoNamespace) {
  const auto one = harness_.Launch(harness_.FakePlan("one", {"sleep"}));
  const auto two = harness_.Launch(harness_.FakePlan("two", {"sleep"}));
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(two, IsOk());

  const std::set<uint32_t> uids = {one->unix_uid, one->unix_uid + 1,
                                   two->unix_uid, two->unix_uid + 1};
  EXPECT_EQ(uids.size(), 4u);
  const auto first = harness_.Inspect(one->pid);
  const auto second = harness_.Inspect(two->pid);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->exe, harness_.fake_qemu());
  EXPECT_EQ(first->uids[0], one->unix_uid);
  EXPECT_EQ(first->start_time_ticks, one->start_time_ticks);
  for (size_t i = 0; i < first->namespaces.size(); ++i) {
    if (std::string(kNamespaceNames[i]) == "user") continue;
    EXPECT_NE(first->namespaces[i], second->namespaces[i])
        << kNamespaceNames[i];
  }
}

TEST_F(IsolationTest, LauncherTellsWhatTheKernelSaysOfAGuestByItsName) {
  ASSERT_THAT(harness_.Launch(harness_.FakePlan("other", {"sleep"})), IsOk());
  const auto launched = harness_.Launch(harness_.FakePlan("web", {"sleep"}));
  ASSERT_THAT(launched, IsOk());
  std::map<std::string, GuestFact> facts;

  const auto found = harness_.InspectGuest("web");

  ASSERT_THAT(found, IsOk());
  for (const GuestFact& fact : found->facts) facts[fact.name] = fact;
  EXPECT_EQ(found->pid, launched->pid);
  EXPECT_EQ(found->keeper_pid, launched->keeper_pid);
  EXPECT_EQ(found->unix_uid, launched->unix_uid);
  EXPECT_EQ(found->start_time_ticks, launched->start_time_ticks);
  EXPECT_THAT(facts["status"].text,
              HasSubstr(absl::StrCat("Uid:\t", launched->unix_uid)));
  EXPECT_THAT(facts["keeper.status"].text,
              HasSubstr(absl::StrCat("Uid:\t", launched->unix_uid + 1)));
  EXPECT_EQ(facts["environ"].text, "PATH\nLANG\nHOME\n");
  EXPECT_EQ(facts["cgroup.pids.max"].text, "16\n");
  EXPECT_THAT(facts["cgroup"].text, HasSubstr("/web\n"));
  EXPECT_EQ(facts["exe"].text, harness_.fake_qemu());

  EXPECT_THAT(harness_.InspectGuest("none"), HasReason(reason::kGuestNotFound));
  ASSERT_THAT(harness_.Kill("web"), IsOk());
  EXPECT_THAT(harness_.InspectGuest("web"),
              HasReason(reason::kGuestNotRunning));
}

TEST_F(IsolationTest, BrokenOutGuestIsRefusedEverything) {
  ASSERT_THAT(harness_.Launch(harness_.FakePlan("probe", {"probe"})), IsOk());
  const std::string log = harness_.guest_dir("probe") + "/log/stderr.log";
  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(Slurp(log), "probe done");
  })) << Slurp(log);

  const std::string said = Slurp(log);
  EXPECT_THAT(said, Not(HasSubstr("ALLOWED")));
  EXPECT_THAT(said, Not(HasSubstr("BROKEN")));
  EXPECT_THAT(said, HasSubstr("trace_keeper refused"));
  EXPECT_THAT(said, HasSubstr("user_namespace refused"));
}

// The harness's launcher has the test's keyring: it must be a new one before.
TEST(KeyringTest, KeysOfTheLaunchersSessionStayWithIt) {
  ASSERT_GT(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr), 0);
  ASSERT_GT(syscall(SYS_add_key, "user", "innkeeper-canary", "secret", 6,
                    KEY_SPEC_SESSION_KEYRING),
            0);
  LauncherHarness harness;
  ASSERT_THAT(harness.Start(), IsOk());
  ASSERT_THAT(harness.Launch(harness.FakePlan("keys", {"keys"})), IsOk());
  const std::string log = harness.guest_dir("keys") + "/log/stderr.log";

  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(Slurp(log), "session_key");
  })) << Slurp(log);

  EXPECT_EQ(Slurp(log), "session_key refused\n");
}

TEST_F(IsolationTest, SecondStartOnAWritableImageIsRefusedByItsLock) {
  fs::create_directories(harness_.pool_dir());
  std::ofstream(harness_.pool_dir() + "/disk.img")
      << std::string(1 << 20, '\0');
  const auto plan_for = [&](const std::string& guest) {
    LaunchPlan plan = harness_.QemuPlan(guest);
    plan.images = {{"disks", "disk.img", true, 1 << 20}};
    plan.fds.push_back({7, FdKind::kImage, 0});
    plan.argv.insert(
        plan.argv.end(),
        {"-add-fd", "fd=7,set=1", "-blockdev",
         (R"({"driver":"file","node-name":"f","filename":"/dev/fdset/1",)"
          R"("locking":"on"})"),
         "-blockdev", R"({"driver":"raw","node-name":"d","file":"f"})",
         "-device", "virtio-blk-device,drive=d"});
    return plan;
  };
  const auto first = harness_.Launch(plan_for("first"));
  ASSERT_THAT(first, IsOk());
  // It opens its disks after all else: without waiting for the lock itself, the
  // second might have it first.
  const UniqueFd disk(
      open((harness_.pool_dir() + "/disk.img").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(Eventually([&] {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    return fcntl(disk.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  }));

  const auto second = harness_.Launch(plan_for("second"));

  ASSERT_THAT(second, IsOk());
  const std::string log = harness_.guest_dir("second") + "/log/";
  ASSERT_TRUE(Eventually([&] { return fs::exists(log + "exit"); }));
  EXPECT_THAT(Slurp(log + "exit"),
              HasSubstr(R"({"kind":"exited","value":1,"time_unix_ms":)"));
  EXPECT_THAT(Slurp(log + "stderr.log"), HasSubstr("write\" lock"));
  EXPECT_THAT(Slurp(log + "stderr.log"), Not(HasSubstr("OFD lock probing")));
  // The first one's end gives the image free: nobody else holds it open.
  ASSERT_THAT(harness_.Release("first"), IsOk());
  ASSERT_THAT(harness_.Release("second"), IsOk());
  const auto third = harness_.Launch(plan_for("third"));
  ASSERT_THAT(third, IsOk());
  EXPECT_TRUE(Eventually([&] { return HasItsOwnFilter(third->pid); }));
}

TEST_F(IsolationTest, OverlayIsAnEmptyQcow2OverAnExplicitBase) {
  std::ofstream(harness_.pool_dir() + "/base.img") << std::string(1 << 20, 'b');
  LaunchPlan plan = harness_.QemuPlan("overlay");
  plan.images = {{"disks", "base.img", false}};
  plan.overlays = {{1 << 20}};
  plan.fds.push_back({7, FdKind::kImage, 0});
  plan.fds.push_back({8, FdKind::kOverlay, 0});
  plan.argv.insert(
      plan.argv.end(),
      {"-add-fd", "fd=7,set=1", "-add-fd", "fd=8,set=2", "-blockdev",
       (R"({"driver":"file","node-name":"bf","filename":"/dev/fdset/1",)"
        R"("locking":"on","read-only":true})"),
       "-blockdev",
       R"({"driver":"raw","node-name":"b","file":"bf","read-only":true})",
       "-blockdev",
       (R"({"driver":"file","node-name":"of","filename":"/dev/fdset/2",)"
        R"("locking":"on"})"),
       "-blockdev",
       R"({"driver":"qcow2","node-name":"o","file":"of","backing":"b"})",
       "-device", "virtio-blk-device,drive=o"});

  const auto launched = harness_.Launch(plan);

  ASSERT_THAT(launched, IsOk());
  EXPECT_TRUE(Eventually([&] { return HasItsOwnFilter(launched->pid); }))
      << Slurp(harness_.guest_dir("overlay") + "/log/stderr.log");
  EXPECT_EQ(Slurp(harness_.guest_dir("overlay") + "/log/stderr.log"), "");
  // The overlay's 1 MiB, a 4096th of it, and 2 MiB.
  EXPECT_THAT(Slurp(absl::StrCat("/proc/", launched->pid, "/limits")),
              testing::ContainsRegex("Max file size +3145984 +3145984 "));
}

}  // namespace
}  // namespace innkeeper
