// QEMUs that misbehave, and callers that race: each gets its answer, nothing is
// left, and nobody else waits.
#include <signal.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using testing::HasSubstr;

// Far less than the 30 s that a silent monitor is given, far more than a list
// or a launch takes.
constexpr absl::Duration kSoon = absl::Seconds(15);

class FaultyQemuTest : public testing::Test {
 protected:
  void SetUp() override {
    lab_.UseFakeQemu();
    ASSERT_THAT(lab_.Start(), IsOk());
  }

  // The outcome of launching guest `id`, which says how its QEMU behaves.
  absl::Status Launch(const std::string& id, bool paused = true) {
    const Caller caller = lab_.AsRoot();
    v1::LaunchGuestRequest request = PausedGuest(id, "user/tenant-a");
    request.mutable_guest()->mutable_spec()->set_start_paused(paused);
    return caller.Finish(caller.Launch(request));
  }

  void CheckGone(const std::string& id) {
    EXPECT_THAT(lab_.AsRoot().Get(id), StatusIs(absl::StatusCode::kNotFound));
    lab_.CheckNothingLeft();
  }

  Lab lab_;
};

TEST_F(FaultyQemuTest, OneThatExitsAtOnceIsReportedWithItsWords) {
  const absl::Status status = Launch("exits");

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("fake: no such device")));
  EXPECT_THAT(status, HasReason(reason::kGuestExited));
  CheckGone("exits");
}

TEST_F(FaultyQemuTest, OneThatGreetsWithoutEndIsRefused) {
  const absl::Time start = absl::Now();

  EXPECT_THAT(Launch("endless"), HasReason(reason::kMonitorProtocol));

  EXPECT_LT(absl::Now() - start, kSoon);
  CheckGone("endless");
}

TEST_F(FaultyQemuTest, OneThatGreetsWithDeepJsonIsRefused) {
  const absl::Time start = absl::Now();

  EXPECT_THAT(Launch("nested"), HasReason(reason::kMonitorProtocol));

  EXPECT_LT(absl::Now() - start, kSoon);
  CheckGone("nested");
}

TEST_F(FaultyQemuTest, OneThatNeverGreetsFailsAndDelaysNobody) {
  const Caller caller = lab_.AsRoot();
  const absl::StatusOr<Operation> silent =
      caller.Launch(PausedGuest("silent", "user/tenant-a"));
  ASSERT_THAT(silent, IsOk());
  const absl::Time start = absl::Now();

  ASSERT_THAT(Launch("other"), IsOk());
  const absl::StatusOr<std::vector<v1::Guest>> guests = caller.List();
  ASSERT_THAT(guests, IsOk());
  EXPECT_EQ(guests->size(), 2u);
  ASSERT_THAT(caller.Finish(caller.Stop("other", true)), IsOk());
  ASSERT_THAT(caller.Finish(caller.Delete("other")), IsOk());
  EXPECT_LT(absl::Now() - start, kSoon);

  EXPECT_THAT(caller.Finish(silent), HasReason(reason::kGuestUnresponsive));
  CheckGone("silent");
}

TEST_F(FaultyQemuTest, OneThatNeverGreetsCanBeEndedByForce) {
  const Caller caller = lab_.AsRoot();
  const absl::StatusOr<Operation> silent =
      caller.Launch(PausedGuest("silent", "user/tenant-a"));
  ASSERT_THAT(silent, IsOk());
  ASSERT_TRUE(Eventually([&] { return !lab_.Leftovers().empty(); }));
  const absl::Time start = absl::Now();

  EXPECT_THAT(caller.Finish(caller.Stop("silent", true)), IsOk());

  EXPECT_THAT(caller.Finish(silent), HasReason(reason::kOperationCancelled));
  EXPECT_LT(absl::Now() - start, kSoon);
  lab_.CheckNothingLeft();
}

TEST_F(FaultyQemuTest, OneThatDiesLaterIsFailedWithItsSignal) {
  const Caller caller = lab_.AsRoot();
  ASSERT_THAT(Launch("dies", /*paused=*/false), IsOk());

  ASSERT_TRUE(Eventually([&] {
    const absl::StatusOr<v1::Guest> guest = caller.Get("dies");
    return guest.ok() && guest->state() == v1::Guest::FAILED;
  }));

  const absl::StatusOr<v1::Guest> guest = caller.Get("dies");
  ASSERT_THAT(guest, IsOk());
  EXPECT_EQ(guest->exit().signal(), SIGABRT);
  EXPECT_THAT(guest->state_message(), HasSubstr("fake: a bug, say"));
  EXPECT_FALSE(guest->has_process());
  lab_.CheckNothingLeft();
}

TEST_F(FaultyQemuTest, OneThatFallsSilentIsUnresponsiveAndDelaysNobody) {
  const Caller caller = lab_.AsRoot();
  ASSERT_THAT(Launch("mute", /*paused=*/false), IsOk());
  v1::PauseGuestRequest pause;
  pause.set_name("guests/mute");

  EXPECT_THAT(
      caller.Call(&v1::Guests::Stub::PauseGuest, caller.guests(), pause),
      HasReason(reason::kGuestUnresponsive));

  const absl::Time start = absl::Now();
  EXPECT_TRUE(Eventually([&] {
    const absl::StatusOr<v1::Guest> guest = caller.Get("mute");
    return guest.ok() && guest->unresponsive();
  }));
  EXPECT_THAT(Launch("other"), IsOk());
  EXPECT_THAT(caller.Finish(caller.Stop("mute", true)), IsOk());
  EXPECT_LT(absl::Now() - start, kSoon);
}

TEST(RacingCallersTest, OneRequestIdMakesOneGuest) {
  constexpr int kCallers = 32;
  Lab lab;
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller caller = lab.As("user/operator");
  v1::LaunchGuestRequest request = PausedGuest("web", "user/tenant-a");
  request.set_request_id(MakeUuid());
  absl::Mutex lock;
  std::set<std::string> operations;
  std::vector<std::thread> threads;
  threads.reserve(kCallers);
  for (int i = 0; i < kCallers; ++i) {
    threads.emplace_back([&] {
      const absl::StatusOr<Operation> begun = caller.Launch(request);
      EXPECT_THAT(begun, IsOk());
      if (!begun.ok()) return;
      EXPECT_THAT(caller.Finish(begun), IsOk());
      const absl::MutexLock held(&lock);
      operations.insert(begun->name());
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(operations.size(), 1u);
  const absl::StatusOr<std::vector<v1::Guest>> guests = caller.List();
  ASSERT_THAT(guests, IsOk());
  EXPECT_EQ(guests->size(), 1u);
}

TEST(RacingCallersTest, ARequestIdIsNotTakenForAnotherBody) {
  Lab lab;
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller caller = lab.As("user/operator");
  v1::LaunchGuestRequest request = PausedGuest("web", "user/tenant-a");
  request.set_request_id(MakeUuid());
  ASSERT_THAT(caller.Finish(caller.Launch(request)), IsOk());
  request.mutable_guest()->mutable_spec()->set_vcpu_count(2);

  const absl::StatusOr<Operation> again = caller.Launch(request);

  EXPECT_THAT(again, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(again, HasReason(reason::kRequestIdReused));
}

TEST(ImageLockTest, ASecondWriterIsRefusedAndNamesTheImage) {
  Lab lab;
  lab.AddDisk("data.raw", 1 << 20);
  ASSERT_THAT(lab.Start(), IsOk());
  const Caller caller = lab.As("user/operator");
  const auto with_disk = [](const std::string& id) {
    v1::LaunchGuestRequest request = PausedGuest(id, "user/tenant-a");
    v1::GuestSpec::Disk* disk =
        request.mutable_guest()->mutable_spec()->add_disks();
    disk->set_volume("pools/main/volumes/data.raw");
    disk->set_format(v1::GuestSpec::Disk::RAW);
    disk->set_mode(v1::GuestSpec::Disk::READ_WRITE);
    return request;
  };
  ASSERT_THAT(caller.Finish(caller.Launch(with_disk("first"))), IsOk());

  const absl::Status second = caller.Finish(caller.Launch(with_disk("second")));

  EXPECT_THAT(second, HasReason(reason::kImageInUse));
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("pools/main/volumes/data.raw")));
  EXPECT_THAT(caller.Get("second"), StatusIs(absl::StatusCode::kNotFound));
  // Once the first lets go, the image is free.
  ASSERT_THAT(caller.Finish(caller.Stop("first", true)), IsOk());
  EXPECT_THAT(caller.Finish(caller.Launch(with_disk("second"))), IsOk());
}

}  // namespace
}  // namespace innkeeper
