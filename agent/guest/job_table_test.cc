#include "agent/guest/job_table.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

TEST(JobTableTest, BusyGuestIsRefusedAndTheRunningVerbNamed) {
  JobTable table;
  const absl::StatusOr<JobTable::Job> start = table.Claim("a", "start");
  ASSERT_THAT(start, IsOk());

  const absl::StatusOr<JobTable::Job> stop = table.Claim("a", "stop");

  EXPECT_THAT(stop, StatusIs(absl::StatusCode::kAborted, HasSubstr("start")));
  EXPECT_THAT(stop, HasReason(reason::kGuestBusy));
  EXPECT_EQ(DetailsOf(stop.status()).metadata.at("guest"), "guests/a");
  EXPECT_THAT(table.Claim("b", "stop"), IsOk());
}

TEST(JobTableTest, AGuestIsFreeWhenItsJobIsDestroyed) {
  JobTable table;
  {
    const auto job = table.Claim("a", "start");
    EXPECT_EQ(table.VerbOf("a"), "start");
  }
  EXPECT_EQ(table.VerbOf("a"), std::nullopt);
  EXPECT_THAT(table.Claim("a", "stop"), IsOk());
}

TEST(JobTableTest, AMovedJobKeepsTheGuestAndItsOldPlaceOwnsNothing) {
  JobTable table;
  JobTable::Job first = *table.Claim("a", "start");
  JobTable::Job second = std::move(first);

  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  first.Finish();  // What is tested.

  EXPECT_FALSE(first.valid());
  EXPECT_EQ(table.VerbOf("a"), "start");
  second.Finish();
  EXPECT_EQ(table.VerbOf("a"), std::nullopt);
}

TEST(JobTableTest, AssigningAJobGivesUpTheOneBefore) {
  JobTable table;
  JobTable::Job job = *table.Claim("a", "start");

  job = *table.Claim("b", "stop");

  EXPECT_EQ(table.VerbOf("a"), std::nullopt);
  EXPECT_EQ(table.VerbOf("b"), "stop");
}

TEST(JobTableTest, CancelTellsTheRunningJobWhyAndLeavesItTheGuest) {
  JobTable table;
  const JobTable::Job job = *table.Claim("a", "stop");
  std::vector<absl::Status> told;
  job.cancellation()->SetHandler(
      [&](const absl::Status& why) { told.push_back(why); });
  EXPECT_FALSE(job.cancellation()->cancelled());

  EXPECT_TRUE(table.Cancel("a", absl::CancelledError("forced stop")));
  EXPECT_TRUE(table.Cancel("a", absl::CancelledError("again")));

  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0], absl::CancelledError("forced stop"));
  EXPECT_EQ(job.cancellation()->status(), absl::CancelledError("forced stop"));
  EXPECT_THAT(table.Claim("a", "delete"), StatusIs(absl::StatusCode::kAborted));
}

TEST(JobTableTest, AHandlerSetAfterTheCancellationIsCalledAtOnce) {
  JobTable table;
  const JobTable::Job job = *table.Claim("a", "stop");
  table.Cancel("a", absl::CancelledError("x"));
  int calls = 0;

  job.cancellation()->SetHandler([&](const absl::Status&) { ++calls; });

  EXPECT_EQ(calls, 1);
}

TEST(JobTableTest, AHandlerMayFinishItsOwnJob) {
  JobTable table;
  JobTable::Job job = *table.Claim("a", "stop");
  job.cancellation()->SetHandler([&](const absl::Status&) { job.Finish(); });

  EXPECT_TRUE(table.Cancel("a", absl::CancelledError("x")));

  EXPECT_THAT(table.Claim("a", "start"), IsOk());
}

TEST(JobTableTest, NothingIsCancelledWhereNoJobRuns) {
  JobTable table;
  bool called = false;
  {
    const JobTable::Job job = *table.Claim("a", "stop");
    job.cancellation()->SetHandler([&](const absl::Status&) { called = true; });
  }

  EXPECT_FALSE(table.Cancel("a", absl::CancelledError("x")));
  EXPECT_FALSE(called);
}

TEST(JobTableTest, OfManyThreadsOneGetsTheGuest) {
  JobTable table;
  std::atomic<int> inside = 0;
  std::atomic<int> claimed = 0;
  std::atomic<bool> together = false;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        const auto job = table.Claim("a", "start");
        if (!job.ok()) continue;
        if (inside.fetch_add(1) != 0) together = true;
        ++claimed;
        table.Cancel("a", absl::CancelledError("x"));
        inside.fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_FALSE(together);
  EXPECT_GT(claimed, 0);
  EXPECT_EQ(table.VerbOf("a"), std::nullopt);
}

}  // namespace
}  // namespace innkeeper
