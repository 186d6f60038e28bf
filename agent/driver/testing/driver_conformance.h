// What every GuestDriver must do, as one suite. A driver's test links
// :driver_conformance and says how to make one with its host:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, DriverConformanceTest,
//                            testing::Values(MakeFakeDriver));
#ifndef INNKEEPER_AGENT_DRIVER_TESTING_DRIVER_CONFORMANCE_H_
#define INNKEEPER_AGENT_DRIVER_TESTING_DRIVER_CONFORMANCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/driver/guest_driver.h"
#include "agent/driver/testing/recording_sink.h"
#include "agent/guest/guest_record.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "gtest/gtest.h"

namespace innkeeper {

// A driver on a host without guests and without KVM, whose guests have no
// system and so ignore their power button. Its destructor ends what it started.
// The methods are called on the test's thread and return when what they say is
// so.
class DriverUnderTest {
 public:
  virtual ~DriverUnderTest() = default;

  virtual EventLoop& loop() = 0;
  // On the loop only; another one after Restart().
  virtual GuestDriver& driver() = 0;
  // A spec that the host can launch; quick to start.
  virtual GuestSpec MakeSpec() = 0;
  // The agent is restarted: a new driver, which tells `sink`; the host stays.
  virtual void Restart(GuestEventSink* sink) = 0;
  // The process of `guest` dies of SIGABRT.
  virtual void Crash(const std::string& guest) = 0;
  // It does nothing any more, and again.
  virtual void Hang(const std::string& guest) = 0;
  virtual void Unhang(const std::string& guest) = 0;
  // Whatever the host has of any guest.
  virtual std::vector<std::string> Leftovers() = 0;
};

using DriverFactory = std::unique_ptr<DriverUnderTest> (*)();

class DriverConformanceTest : public testing::TestWithParam<DriverFactory> {
 protected:
  using Verb = void (GuestDriver::*)(absl::string_view, StatusCompletion);

  DriverConformanceTest();

  GuestRecord Record(const std::string& guest);
  // Calls of the driver, waited for. Each checks that its completion comes on
  // the loop and not from inside the call.
  absl::StatusOr<LaunchExplanation> Explain(const GuestRecord& record);
  absl::StatusOr<DriverGuest> Launch(const GuestRecord& record);
  absl::StatusOr<std::vector<FoundGuest>> Find();
  absl::StatusOr<DriverGuest> Adopt(const GuestRecord& record, bool let_run);
  absl::Status Call(Verb verb, const std::string& guest);
  absl::StatusOr<std::string> ConsolePath(const std::string& guest);

  // Launches "a" and returns its process.
  GuestProcess Run(bool start_paused = false);
  // The one guest that Find() gives, after a restart.
  FoundGuest RestartAndFind();
  // Nobody answers for "a" any more.
  void ExpectGone();

  RecordingSink sink_;
  RecordingSink later_sink_;  // Of the driver after a restart.
  const std::unique_ptr<DriverUnderTest> host_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_TESTING_DRIVER_CONFORMANCE_H_
