// A QEMU that tries to break out, started by the real launcher in QEMU's place.
// What it says of itself does not count alone: the test looks from outside,
// too.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "agent/launcher/testing/outside_checks.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kFloodBytes = int64_t{512} << 20;

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Something of the host that nothing may reach.
class Canary {
 public:
  Canary(int family, int type, const sockaddr* address, socklen_t size)
      : fd_(socket(family, type | SOCK_NONBLOCK, 0)) {
    EXPECT_EQ(bind(fd_.get(), address, size), 0);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd_.get(), 4), 0);
    }
  }

  // Whether anybody connected or sent anything.
  bool reached() const {
    pollfd waiting = {fd_.get(), POLLIN, 0};
    return poll(&waiting, 1, 0) != 0;
  }
  int port() const {
    sockaddr_in address = {};
    socklen_t size = sizeof(address);
    EXPECT_EQ(
        getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size),
        0);
    return ntohs(address.sin_port);
  }

 private:
  const UniqueFd fd_;
};

Canary MakeInet(int type, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Canary(AF_INET, type, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address));
}

Canary MakeUnix(const std::string& path, bool abstract) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t offset = abstract ? 1 : 0;
  path.copy(address.sun_path + offset, sizeof(address.sun_path) - 1 - offset);
  return Canary(AF_UNIX, SOCK_STREAM,
                reinterpret_cast<const sockaddr*>(&address),
                static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                       offset + path.size()));
}

class MaliciousQemuTest : public testing::Test {
 protected:
  void SetUp() override {
    binary_ = harness_.dir() + "/malicious_qemu";
    fs::copy_file("tests/malicious_qemu/malicious_qemu", binary_);
    ASSERT_THAT(harness_.Start({}, {"--qemu=" + binary_}), IsOk());
  }

  LaunchPlan Plan(const std::string& guest,
                  const std::vector<std::string>& arguments) {
    LaunchPlan plan = harness_.FakePlan(guest, arguments);
    plan.argv[0] = binary_;
    return plan;
  }
  std::string Log(const std::string& guest, const std::string& name) {
    return harness_.guest_dir(guest) + "/log/" + name;
  }

  LauncherHarness harness_;
  std::string binary_;
};

TEST_F(MaliciousQemuTest, EveryEscapeIsRefused) {
  const std::string file = harness_.dir() + "/canary";
  std::ofstream(file) << "canary";
  fs::permissions(file, fs::perms(0666));
  struct stat before;
  ASSERT_EQ(stat(file.c_str(), &before), 0);
  const std::string disk = harness_.pool_dir() + "/disk.img";
  std::ofstream(disk) << std::string(4096, 'd');
  const std::string socket_path = harness_.dir() + "/canary.sock";
  const std::string abstract = "canary" + harness_.instance();
  const Canary tcp = MakeInet(SOCK_STREAM, 0);
  const Canary udp = MakeInet(SOCK_DGRAM, tcp.port());
  const Canary path_canary = MakeUnix(socket_path, /*abstract=*/false);
  const Canary abstract_canary = MakeUnix(abstract, /*abstract=*/true);
  fs::permissions(socket_path, fs::perms(0777));
  const std::string mounts = Slurp("/proc/self/mountinfo");
  const LaunchPlan neighbour_plan = harness_.QemuPlan("neighbour");
  const auto neighbour = harness_.Launch(neighbour_plan);
  ASSERT_THAT(neighbour, IsOk());
  LaunchPlan plan = Plan(
      "evil",
      {"escape", "file=" + file, "socket=" + socket_path,
       "abstract=" + abstract, absl::StrCat("port=", tcp.port()),
       "monitor=" + harness_.guest_dir("neighbour") + "/qmp.sock",
       absl::StrCat("cgroup=", harness_.CgroupsOf("neighbour").front()),
       absl::StrCat("launcher=", harness_.pid()),
       absl::StrCat("other_guest=", neighbour->pid),
       absl::StrCat("own_keeper=", neighbour->keeper_pid),
       absl::StrCat("other_uid=", neighbour->unix_uid), "read_only_disk=7"});
  plan.images = {{"disks", "disk.img", false}};
  plan.fds.push_back({7, FdKind::kImage, 0});

  const auto evil = harness_.Launch(plan);

  ASSERT_THAT(evil, IsOk());
  const std::string log = Log("evil", "stderr.log");
  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(Slurp(log), "escape done");
  })) << Slurp(log);
  const std::string said = Slurp(log);
  EXPECT_THAT(said, Not(HasSubstr("ALLOWED"))) << said;
  EXPECT_THAT(said, Not(HasSubstr("HUNG"))) << said;
  int refused = 0;
  for (const auto line : absl::StrSplit(said, '\n')) {
    if (absl::StrContains(line, " refused: ")) ++refused;
  }
  EXPECT_GE(refused, 100);
  EXPECT_THAT(said, HasSubstr(absl::StrCat(refused, " of ", refused)));
  // From outside. It is confined as before, and so is its neighbour.
  EXPECT_TRUE(IsRunning(evil->pid, evil->start_time_ticks));
  EXPECT_TRUE(IsRunning(neighbour->pid, neighbour->start_time_ticks));
  EXPECT_GE(ExpectConfined(harness_, plan, *evil), 60);
  ExpectConfined(harness_, neighbour_plan, *neighbour);
  // Nothing of the host was reached.
  struct stat after;
  ASSERT_EQ(stat(file.c_str(), &after), 0);
  EXPECT_EQ(Slurp(file), "canary");
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_uid, before.st_uid);
  EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  EXPECT_EQ(Slurp(disk), std::string(4096, 'd'));
  ASSERT_EQ(stat(disk.c_str(), &after), 0);
  EXPECT_EQ(after.st_uid, 0u);
  for (const Canary* canary : {&tcp, &udp, &path_canary, &abstract_canary}) {
    EXPECT_FALSE(canary->reached());
  }
  EXPECT_EQ(Slurp("/proc/self/mountinfo"), mounts);
  // The launcher serves as before.
  EXPECT_THAT(harness_.Release("evil"), IsOk());
  EXPECT_THAT(harness_.Launch(harness_.FakePlan("later", {"sleep"})), IsOk());
}

TEST_F(MaliciousQemuTest, FloodOfItsKeeperIsBoundedOnDisk) {
  const auto flood =
      harness_.Launch(Plan("flood", {"flood", "3", absl::StrCat(kFloodBytes)}));
  ASSERT_THAT(flood, IsOk());

  bool done = false;
  for (int i = 0; i < 6 && !done; ++i) {
    done = Eventually([&] {
      uintmax_t bytes = 0;
      for (const auto& entry :
           fs::directory_iterator(harness_.guest_dir("flood") + "/log")) {
        std::error_code gone;  // Rotated since it was listed.
        const uintmax_t size = fs::file_size(entry.path(), gone);
        if (!gone) bytes += size;
      }
      EXPECT_LT(bytes, uintmax_t{64} << 20);
      return absl::StrContains(Slurp(Log("flood", "console.log")),
                               "flood done");
    });
  }

  EXPECT_TRUE(done);
  EXPECT_TRUE(IsRunning(flood->pid, flood->start_time_ticks));
  EXPECT_THAT(harness_.Release("flood"), IsOk());
}

}  // namespace
}  // namespace innkeeper
