// Guests that write to their console as fast as they can.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/bystander.h"
#include "tests/integration/caller.h"
#include "tests/integration/console.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

constexpr int64_t kMaxDiskBytes = int64_t{40} << 20;
constexpr int64_t kMaxAgentBytes = int64_t{128} << 20;
constexpr absl::Duration kMaxP99 = absl::Milliseconds(500);
// What may be on its way to a client that does not read: the keeper's ring, the
// stream's queue, and the windows of HTTP/2 and the sockets between.
constexpr size_t kMaxUnread = size_t{16} << 20;
// The part of a console's history that a new client gets.
constexpr size_t kReplayBytes = size_t{64} << 10;

// What the files in `directory` take of the disk. They may be renamed
// meanwhile.
int64_t DiskBytes(const std::string& directory) {
  int64_t bytes = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    struct stat info = {};
    if (stat(entry.path().c_str(), &info) == 0) bytes += info.st_blocks * 512;
  }
  return bytes;
}

// Whether the last bytes of `path` hold `text`.
bool EndsWithText(const std::string& path, const std::string& text) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - 64));
  std::string tail(64, '\0');
  file.read(tail.data(), 64);
  return absl::StrContains(tail, text);
}

TEST(ConsoleFloodTest, AGibibyteIsBoundedOnDiskAndInMemoryAndDelaysNobody) {
  Lab lab;
  lab.UseFakeQemu();
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller owner = lab.As("user/tenant-a");
  Bystander bystander(lab.ChannelAs("user/operator"));
  lab.ResetAgentPeak();
  v1::LaunchGuestRequest request = PausedGuest("floods", "user/tenant-a");
  request.mutable_guest()->mutable_spec()->set_start_paused(false);
  const absl::Time start = absl::Now();
  ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
  // One that looks once and then never reads.
  Console slow(owner, "floods");
  ASSERT_TRUE(slow.Await("~"));

  ASSERT_THAT(owner.Finish(owner.Launch(PausedGuest("web", "user/tenant-a"))),
              IsOk());
  const std::string log = lab.GuestDir("floods") + "/log";
  EXPECT_FALSE(EndsWithText(log + "/console.log", "flooded\n"));

  int64_t most = 0;
  ASSERT_TRUE(Eventually([&] {
    most = std::max(most, DiskBytes(log));
    return EndsWithText(log + "/console.log", "flooded\n");
  }));

  const absl::Duration took = absl::Now() - start;
  const Bystander::Report report = bystander.Stop();
  const int64_t peak = lab.AgentPeakBytes();
  const absl::Status ended = slow.AwaitEnd();
  std::cout << "1 GiB in " << absl::FormatDuration(took) << ": at most "
            << (most >> 20) << " MiB on disk; agent's peak " << (peak >> 20)
            << " MiB; others " << report << "; the slow client was sent "
            << (slow.output().size() >> 10) << " KiB" << std::endl;
  EXPECT_LE(most, kMaxDiskBytes);
  // Not by losing it all: the newest of it is kept.
  EXPECT_GE(most, int64_t{10} << 20);
  EXPECT_LT(peak, kMaxAgentBytes);
  EXPECT_EQ(report.error, "");
  EXPECT_LT(report.p99, kMaxP99);
  EXPECT_THAT(ended, HasReason(reason::kWatcherTooSlow));
  EXPECT_LT(slow.output().size(), kMaxUnread);
  Console late(owner, "floods");
  EXPECT_TRUE(late.Await("flooded\n"));
  EXPECT_LE(late.output().size(), kReplayBytes);
  EXPECT_GE(late.output().size(), kReplayBytes / 2);
}

TEST(ConsoleFloodTest, LinuxFloodsAndItsShellAnswersAfterwards) {
  Lab lab;
  ASSERT_THAT(lab.AddTestGuest(), IsOk());
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller owner = lab.As("user/tenant-a");
  ASSERT_THAT(owner.Finish(owner.Launch(LinuxGuest("web", "user/tenant-a"))),
              IsOk());
  auto console = std::make_unique<Console>(owner, "web");
  ASSERT_TRUE(console->Await("guest# ")) << console->output();
  Bystander bystander(lab.ChannelAs("user/operator"));
  lab.ResetAgentPeak();

  console->Type("flood 2");
  ASSERT_TRUE(console->Await("flooded")) << console->output().size();

  const Bystander::Report report = bystander.Stop();
  const int64_t peak = lab.AgentPeakBytes();
  std::cout << "2 MiB: agent's peak " << (peak >> 20) << " MiB; others "
            << report << std::endl;
  EXPECT_GT(console->output().size(), size_t{2} << 20);
  EXPECT_LT(peak, kMaxAgentBytes);
  EXPECT_EQ(report.error, "");
  EXPECT_LT(report.p99, kMaxP99);
  ASSERT_TRUE(console->Await("guest# "));
  console->Type("echo still $((20 + 1))");
  EXPECT_TRUE(console->Await("still 21"));
  console = std::make_unique<Console>(owner, "web");
  EXPECT_TRUE(console->Await("still 21"));
}

}  // namespace
}  // namespace innkeeper
