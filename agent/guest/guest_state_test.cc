#include "agent/guest/guest_state.h"

#include <array>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

constexpr char kStartable[] = "GUEST_NOT_STARTABLE";
constexpr char kRunning[] = "GUEST_NOT_RUNNING";
constexpr char kPaused[] = "GUEST_NOT_PAUSED";
constexpr char kStopped[] = "GUEST_NOT_STOPPED";
constexpr char kConsole[] = "CONSOLE_UNAVAILABLE";

// What each verb answers in STARTING, RUNNING, PAUSED, STOPPING, STOPPED and
// FAILED; empty where it is allowed.
const std::map<GuestVerb, std::array<std::string, 6>>& Expected() {
  static const auto* const table =
      new std::map<GuestVerb, std::array<std::string, 6>>{
          {GuestVerb::kStart,
           {kStartable, kStartable, kStartable, kStartable, "", ""}},
          {GuestVerb::kStop,
           {kRunning, "", kRunning, kRunning, kRunning, kRunning}},
          {GuestVerb::kForceStop, {"", "", "", "", kRunning, kRunning}},
          {GuestVerb::kReboot,
           {kRunning, "", kRunning, kRunning, kRunning, kRunning}},
          {GuestVerb::kPause,
           {kRunning, "", kRunning, kRunning, kRunning, kRunning}},
          {GuestVerb::kResume,
           {kPaused, kPaused, "", kPaused, kPaused, kPaused}},
          {GuestVerb::kDelete,
           {kStopped, kStopped, kStopped, kStopped, "", ""}},
          {GuestVerb::kAttachConsole, {"", "", "", "", kConsole, kConsole}},
      };
  return *table;
}

TEST(GuestStateTest, TheTableAllowsAndRefusesAsDecided) {
  for (const GuestVerb verb : kAllGuestVerbs) {
    ASSERT_EQ(Expected().count(verb), 1u) << ToString(verb);
    for (size_t i = 0; i < 6; ++i) {
      const GuestState state = kAllGuestStates[i];
      SCOPED_TRACE(testing::Message() << ToString(verb).data() << " in "
                                      << ToString(state).data());
      const std::string& reason = Expected().at(verb)[i];
      const absl::Status status = CheckVerb("web", state, verb);
      if (reason.empty()) {
        EXPECT_THAT(status, IsOk());
        continue;
      }
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
      EXPECT_THAT(status, HasReason(reason));
    }
  }
}

TEST(GuestStateTest, ARefusalNamesGuestStateAndWayOut) {
  const absl::Status status =
      CheckVerb("web", GuestState::kRunning, GuestVerb::kDelete);

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("'web': it is RUNNING; stop it")));
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.metadata.at("guest"), "guests/web");
  EXPECT_EQ(details.metadata.at("state"), "RUNNING");
  ASSERT_EQ(details.preconditions.size(), 1u);
  EXPECT_EQ(details.preconditions[0].type, "GUEST_NOT_STOPPED");
  EXPECT_EQ(details.preconditions[0].subject, "guests/web");
}

TEST(GuestStateTest, AStateThatIsNoneAllowsNothing) {
  for (const GuestVerb verb : kAllGuestVerbs) {
    EXPECT_FALSE(CheckVerb("web", static_cast<GuestState>(99), verb).ok());
  }
}

TEST(GuestStateTest, OnlyStoppedAndFailedGuestsHaveNoProcess) {
  for (const GuestState state : kAllGuestStates) {
    EXPECT_EQ(MayHaveProcess(state),
              state != GuestState::kStopped && state != GuestState::kFailed);
  }
}

}  // namespace
}  // namespace innkeeper
