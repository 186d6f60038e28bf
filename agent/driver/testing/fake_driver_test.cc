#include "agent/driver/testing/fake_driver.h"

#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agent/driver/testing/driver_conformance.h"
#include "agent/driver/testing/recording_sink.h"
#include "agent/qmp/testing/await.h"
#include "base/event_loop.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;

class FakeDriverUnderTest final : public DriverUnderTest {
 public:
  FakeDriverUnderTest() { driver_.IgnorePowerButton(); }

  EventLoop& loop() override { return loop_; }
  GuestDriver& driver() override { return driver_; }
  GuestSpec MakeSpec() override {
    GuestSpec spec;
    spec.memory_bytes = kMinMemoryBytes;
    return spec;
  }
  void Restart(GuestEventSink* sink) override {
    loop_.PostAndWait([&] { driver_.SetEventSink(sink); });
  }
  void Crash(const std::string& guest) override {
    loop_.PostAndWait(
        [&] { driver_.Exit(guest, ExitKind::kSignaled, SIGABRT); });
  }
  void Hang(const std::string& guest) override {
    loop_.PostAndWait([&] { driver_.Hang(guest); });
  }
  void Unhang(const std::string& guest) override {
    loop_.PostAndWait([&] { driver_.Unhang(guest); });
  }
  std::vector<std::string> Leftovers() override {
    std::vector<std::string> guests;
    loop_.PostAndWait([&] { guests = driver_.guests(); });
    return guests;
  }

 private:
  EventLoop loop_{"fake"};
  FakeDriver driver_{&loop_};
};

std::unique_ptr<DriverUnderTest> MakeFakeDriver() {
  return std::make_unique<FakeDriverUnderTest>();
}

INSTANTIATE_TEST_SUITE_P(Fake, DriverConformanceTest,
                         testing::Values(MakeFakeDriver));

class FakeDriverTest : public testing::Test {
 protected:
  FakeDriverTest() {
    loop_.PostAndWait([this] { driver_.SetEventSink(&sink_); });
    record_.id = "a";
  }

  absl::StatusOr<DriverGuest> Launch() {
    return Await<absl::StatusOr<DriverGuest>>(
        &loop_, [this](Completion<DriverGuest> done) {
          driver_.Launch(record_, std::move(done));
        });
  }

  RecordingSink sink_;
  EventLoop loop_{"fake"};
  FakeDriver driver_{&loop_};
  GuestRecord record_;
};

TEST_F(FakeDriverTest, FaultOnOrderAnswersUntilItIsTakenBack) {
  loop_.PostAndWait(
      [this] { driver_.FailNext("launch", absl::InternalError("scripted")); });
  EXPECT_THAT(Launch(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Launch(), StatusIs(absl::StatusCode::kInternal));

  loop_.PostAndWait([this] { driver_.FailNext("launch", absl::OkStatus()); });

  EXPECT_THAT(Launch(), IsOk());
}

TEST_F(FakeDriverTest, HeldLaunchIsAnsweredOnceItIsReleased) {
  bool answered = false;
  loop_.PostAndWait([&] {
    driver_.HoldLaunches();
    driver_.Launch(
        record_, [&](const absl::StatusOr<DriverGuest>&) { answered = true; });
  });
  loop_.PostAndWait([&] {
    EXPECT_FALSE(answered);
    driver_.ReleaseLaunches();
  });

  loop_.PostAndWait([] {});
  EXPECT_TRUE(answered);
}

TEST_F(FakeDriverTest, PowerButtonEndsTheGuestUnlessItIsIgnored) {
  ASSERT_THAT(Launch(), IsOk());

  EXPECT_THAT(Await<absl::Status>(&loop_,
                                  [this](StatusCompletion done) {
                                    driver_.PowerDown("a", std::move(done));
                                  }),
              IsOk());

  EXPECT_THAT(sink_.WaitFor(1), ElementsAre("a exited 0"));
}

TEST_F(FakeDriverTest, WhatAGuestDoesByItselfIsTold) {
  ASSERT_THAT(Launch(), IsOk());

  loop_.PostAndWait([this] {
    driver_.SetRunState("a", RunState::kPaused);
    driver_.SetRunState("a", RunState::kRunning);
  });

  EXPECT_THAT(sink_.WaitFor(2), ElementsAre("a paused", "a running"));
}

}  // namespace
}  // namespace innkeeper
