// The keeper in its place: between a real guest process and its files.
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kTenMiB = 10 << 20;

// How many filters of system calls a process is under; -1 if it is gone.
int Filters(int64_t pid) {
  const std::string status =
      ReadFile(absl::StrCat("/proc/", pid, "/status"), 1 << 16).value_or("");
  const size_t at = status.find("Seccomp_filters:");
  return at == std::string::npos ? -1 : atoi(status.c_str() + at + 16);
}

// Whether `pid` has one more than whoever made it.
bool HasItsFilter(int64_t pid) { return Filters(pid) == Filters(getpid()) + 1; }

// Makes `pid`, which waits in a system call, make another one instead: what it
// would do if somebody had taken it over.
void MakeItCall(pid_t pid, long number) {
  ASSERT_EQ(ptrace(PTRACE_SEIZE, pid, nullptr, nullptr), 0) << strerror(errno);
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr), 0);
  int status;
  ASSERT_EQ(waitpid(pid, &status, __WALL), pid);
  ASSERT_TRUE(WIFSTOPPED(status));
  user_regs_struct registers;
  ASSERT_EQ(ptrace(PTRACE_GETREGS, pid, nullptr, &registers), 0);
  // Back over the two bytes of the instruction, which is then another call.
  registers.rip -= 2;
  registers.rax = static_cast<unsigned long long>(number);
  registers.orig_rax = static_cast<unsigned long long>(-1);
  ASSERT_EQ(ptrace(PTRACE_SETREGS, pid, nullptr, &registers), 0);
  ASSERT_EQ(ptrace(PTRACE_DETACH, pid, nullptr, nullptr), 0);
}

class KeeperLiveTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.Start(), IsOk()); }

  std::string Log(const std::string& guest, const std::string& name) {
    return harness_.guest_dir(guest) + "/log/" + name;
  }
  UniqueFd Attach(const std::string& guest) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    (harness_.guest_dir(guest) + "/console.sock")
        .copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
                      sizeof(address)),
              0);
    return fd;
  }

  LauncherHarness harness_;
};

TEST_F(KeeperLiveTest, ExitAndSignalOfQemuAreRecordedAndTheJailEndsWithIt) {
  const auto exits = harness_.Launch(harness_.FakePlan("e", {"exit", "7"}));
  const auto aborts = harness_.Launch(harness_.FakePlan("a", {"abort"}));
  ASSERT_THAT(exits, IsOk());
  ASSERT_THAT(aborts, IsOk());
  ASSERT_TRUE(Eventually([&] {
    return fs::exists(Log("e", "exit")) && fs::exists(Log("a", "exit"));
  }));

  EXPECT_THAT(ReadFile(Log("e", "exit"), 1000),
              IsOkAndHolds(HasSubstr(R"("kind":"exited","value":7,)")));
  EXPECT_THAT(ReadFile(Log("a", "exit"), 1000),
              IsOkAndHolds(HasSubstr(R"("kind":"signaled","value":6,)")));
  EXPECT_TRUE(Eventually([&] {
    return !ReadProcStat(absl::StrCat(exits->keeper_pid)).ok() &&
           !ReadProcStat(absl::StrCat(aborts->keeper_pid)).ok();
  }));
}

TEST_F(KeeperLiveTest, FloodOfOutputIsBoundedOnDisk) {
  ASSERT_THAT(harness_.Launch(harness_.FakePlan(
                  "flood", {"flood", "3", absl::StrCat(5 * kTenMiB)})),
              IsOk());
  ASSERT_THAT(harness_.Launch(harness_.FakePlan(
                  "errors", {"flood", "2", absl::StrCat(kTenMiB)})),
              IsOk());
  // The last line shows that everything was taken.
  ASSERT_TRUE(Eventually([&] {
    const auto text = ReadFile(Log("flood", "console.log"), kTenMiB + 1);
    return text.ok() && absl::StrContains(*text, "flood done\n");
  }));

  for (const char* name : {"console.log", "console.log.1", "console.log.2"}) {
    struct stat info;
    ASSERT_EQ(stat(Log("flood", name).c_str(), &info), 0) << name;
    EXPECT_LE(info.st_size, kTenMiB);
    EXPECT_EQ(info.st_gid, kTestAgentGid);
    EXPECT_EQ(info.st_mode & 07777, 0640u);
  }
  EXPECT_FALSE(fs::exists(Log("flood", "console.log.3")));
  ASSERT_TRUE(
      Eventually([&] { return fs::exists(Log("errors", "stderr.log.1")); }));
  uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(Log("errors", ""))) {
    bytes += fs::file_size(entry.path());
  }
  EXPECT_LE(bytes, uintmax_t{2 << 20});
}

TEST_F(KeeperLiveTest, AttachedClientTalksWithTheGuest) {
  ASSERT_THAT(harness_.Launch(harness_.FakePlan("echo", {"echo", "3"})),
              IsOk());
  const UniqueFd client = Attach("echo");

  ASSERT_EQ(write(client.get(), "hello", 5), 5);
  char buffer[16] = {};
  ASSERT_EQ(recv(client.get(), buffer, 5, MSG_WAITALL), 5);

  EXPECT_STREQ(buffer, "hello");
  // One that comes later gets it replayed.
  const UniqueFd late = Attach("echo");
  char again[16] = {};
  ASSERT_EQ(recv(late.get(), again, 5, MSG_WAITALL), 5);
  EXPECT_STREQ(again, "hello");
}

TEST_F(KeeperLiveTest, QemuIsUnderTheLaunchersFilterAndNotUnderTheKeepers) {
  const auto launched = harness_.Launch(harness_.FakePlan("f", {"sleep"}));
  ASSERT_THAT(launched, IsOk());
  ASSERT_TRUE(Eventually([&] { return HasItsFilter(launched->keeper_pid); }));

  // A keeper's one would end the process at its first call.
  EXPECT_EQ(Filters(launched->pid), Filters(getpid()) + 1);
  EXPECT_TRUE(IsRunning(launched->pid, launched->start_time_ticks));
}

TEST_F(KeeperLiveTest, ForbiddenCallOfTheKeeperEndsItAndItsGuest) {
  const auto launched = harness_.Launch(harness_.FakePlan("turned", {"sleep"}));
  ASSERT_THAT(launched, IsOk());
  ASSERT_TRUE(Eventually([&] { return HasItsFilter(launched->keeper_pid); }));
  pollfd qemu = {launched->pidfd.get(), POLLIN, 0};
  ASSERT_EQ(poll(&qemu, 1, 0), 0);

  MakeItCall(static_cast<pid_t>(launched->keeper_pid), SYS_socket);

  EXPECT_EQ(poll(&qemu, 1, 20000), 1);
  EXPECT_TRUE(Eventually(
      [&] { return !ReadProcStat(absl::StrCat(launched->keeper_pid)).ok(); }));
  // Nobody was there to leave word.
  EXPECT_FALSE(fs::exists(Log("turned", "exit")));
  EXPECT_THAT(harness_.Release("turned"), IsOk());
  EXPECT_THAT(harness_.Leftovers(), testing::IsEmpty());
}

TEST_F(KeeperLiveTest, KeeperThatWasStoppedGoesOn) {
  const auto launched =
      harness_.Launch(harness_.FakePlan("paused", {"echo", "3"}));
  ASSERT_THAT(launched, IsOk());
  ASSERT_TRUE(Eventually([&] { return HasItsFilter(launched->keeper_pid); }));
  const pid_t keeper = static_cast<pid_t>(launched->keeper_pid);
  const auto is_in = [&](char state) {
    const auto stat = ReadProcStat(absl::StrCat(keeper));
    return stat.ok() && stat->state == state;
  };
  ASSERT_TRUE(Eventually([&] { return is_in('S'); }));
  ASSERT_EQ(kill(keeper, SIGSTOP), 0);
  ASSERT_TRUE(Eventually([&] { return is_in('T'); }));

  ASSERT_EQ(kill(keeper, SIGCONT), 0);
  const UniqueFd client = Attach("paused");
  ASSERT_EQ(write(client.get(), "hello", 5), 5);
  char buffer[16] = {};

  ASSERT_EQ(recv(client.get(), buffer, 5, MSG_WAITALL), 5);
  EXPECT_STREQ(buffer, "hello");
}

TEST_F(KeeperLiveTest, KeeperTakesLessThanOneMebibyte) {
  const auto launched = harness_.Launch(harness_.FakePlan("small", {"sleep"}));
  ASSERT_THAT(launched, IsOk());
  const std::string status =
      absl::StrCat("/proc/", launched->keeper_pid, "/status");
  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(ReadFile(status, 1 << 16).value_or(""),
                             "Name:\tik-keeper");
  }));

  const std::string text = ReadFile(status, 1 << 16).value_or("");
  const size_t at = text.find("VmRSS:");
  ASSERT_NE(at, std::string::npos);
  EXPECT_LT(std::stoi(text.substr(at + 6)), 1024) << text;
  RecordProperty("keeper_rss_kib", std::stoi(text.substr(at + 6)));
}

}  // namespace
}  // namespace innkeeper
