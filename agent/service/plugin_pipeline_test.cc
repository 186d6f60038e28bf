// What plugins do to launches and starts, seen by clients of an agent.
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/service/testing/test_agent.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.grpc.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using google::longrunning::Operations;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr int64_t kMiB = int64_t{1} << 20;

PluginConfig Asked(PluginStage stage) {
  PluginConfig config;
  config.name = std::string(ToString(stage));
  config.stages = {stage};
  // A test that waits for this has failed.
  config.deadline = absl::Hours(1);
  return config;
}

PluginAnswer Deny(const std::string& reason) {
  PluginAnswer answer;
  answer.kind = PluginAnswer::Kind::kDeny;
  answer.reasons = {reason};
  return answer;
}

PluginAnswer Patch(PluginPatch patch) {
  PluginAnswer answer;
  answer.kind = PluginAnswer::Kind::kPatch;
  answer.patch = std::move(patch);
  return answer;
}

// The plugins are called after the one stage that each is asked at.
class PluginPipelineTest : public testing::Test {
 protected:
  enum : size_t { kAdmit, kPrepare, kArgv, kNotices };

  static std::vector<PluginConfig> Plugins() {
    PluginConfig notices = Asked(PluginStage::kStarted);
    notices.stages.insert(PluginStage::kStopped);
    return {Asked(PluginStage::kAdmit), Asked(PluginStage::kPrepare),
            Asked(PluginStage::kArgv), notices};
  }

  void Answer(size_t plugin, const PluginAnswer& answer) {
    agent_.OnLoop([&] {
      agent_.plugin(plugin).SetAnswer(
          [answer](const PluginQuestion&) { return answer; });
    });
  }
  void HangAt(size_t plugin) {
    agent_.OnLoop([&] { agent_.plugin(plugin).Hang(true); });
  }
  std::vector<PluginQuestion> Questions(size_t plugin) {
    std::vector<PluginQuestion> questions;
    agent_.OnLoop([&] { questions = agent_.plugin(plugin).questions(); });
    return questions;
  }
  // Waits until `plugin` was asked `count` times.
  bool AwaitQuestions(size_t plugin, size_t count) {
    const absl::Time deadline = absl::Now() + TestAgent::kPatience;
    while (Questions(plugin).size() < count) {
      if (absl::Now() > deadline) return false;
    }
    return true;
  }
  absl::StatusOr<Operation> Launch(const v1::LaunchGuestRequest& request) {
    return agent_.Call("user/op", &v1::Guests::Stub::LaunchGuest, request);
  }
  absl::StatusOr<Operation> Launch() {
    return Launch(TestAgent::MakeLaunch("web", "user/alice"));
  }
  absl::StatusOr<v1::Guest> Get() {
    v1::GetGuestRequest request;
    request.set_name("guests/web");
    return agent_.Call("user/op", &v1::Guests::Stub::GetGuest, request);
  }
  absl::StatusOr<Operation> Stop() {
    v1::StopGuestRequest request;
    request.set_name("guests/web");
    request.set_force(true);
    return agent_.Call("user/op", &v1::Guests::Stub::StopGuest, request);
  }
  absl::StatusOr<Operation> Start() {
    v1::StartGuestRequest request;
    request.set_name("guests/web");
    return agent_.Call("user/op", &v1::Guests::Stub::StartGuest, request);
  }
  absl::Status Cancel(const std::string& operation) {
    google::longrunning::CancelOperationRequest request;
    request.set_name(operation);
    return agent_.Call("user/op", &Operations::Stub::CancelOperation, request)
        .status();
  }
  absl::StatusOr<v1::ExplainLaunchResponse> Explain() {
    v1::ExplainLaunchRequest request;
    *request.mutable_launch() = TestAgent::MakeLaunch("web", "user/alice");
    return agent_.Call("user/op", &v1::Guests::Stub::ExplainLaunch, request);
  }
  std::vector<std::string> EventMessages(const std::string& type) {
    const absl::StatusOr<std::vector<EventRecord>> events =
        agent_.store().EventsAfter(0, 1000);
    EXPECT_THAT(events, IsOk());
    std::vector<std::string> messages;
    for (const EventRecord& event : *events) {
      if (event.type == type) messages.push_back(event.payload);
    }
    return messages;
  }
  int Launches() {
    int launches = 0;
    agent_.OnLoop([&] { launches = agent_.driver().launches(); });
    return launches;
  }

  TestAgent agent_{Plugins()};
};

TEST_F(PluginPipelineTest, EveryStageIsAskedInItsTurnWithWhatIsKnownByThen) {
  ASSERT_THAT(agent_.ErrorOf(Launch()), IsOk());

  const std::vector<PluginQuestion> admit = Questions(kAdmit);
  const std::vector<PluginQuestion> prepare = Questions(kPrepare);
  const std::vector<PluginQuestion> argv = Questions(kArgv);
  ASSERT_THAT(admit, SizeIs(1));
  EXPECT_EQ(admit[0].caller, "user/op");
  EXPECT_EQ(admit[0].guest.owner, "user/alice");
  EXPECT_FALSE(admit[0].restart);
  EXPECT_FALSE(admit[0].dry_run);
  ASSERT_THAT(prepare, SizeIs(1));
  EXPECT_EQ(prepare[0].guest.resolved_machine_type, "pc-q35-7.2");
  EXPECT_EQ(prepare[0].caller, "user/op");
  ASSERT_THAT(argv, SizeIs(1));
  EXPECT_THAT(argv[0].argv, ElementsAre("fake", "web"));
  EXPECT_THAT(argv[0].descriptors, ElementsAre("3: monitor"));
}

TEST_F(PluginPipelineTest, LaunchThatIsNotAdmittedLeavesNoTrace) {
  Answer(kAdmit, Deny("no project"));

  const absl::StatusOr<Operation> refused = Launch();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("'admit' denies guest 'web'")));
  EXPECT_THAT(refused, HasReason(reason::kPluginDenied));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(*agent_.store().EventsAfter(0, 1000), IsEmpty());
}

TEST_F(PluginPipelineTest, WhatIsPatchedAtAdmissionIsInRecordAndEvent) {
  PluginPatch patch;
  patch.labels = {{"project", "x"}};
  patch.memory_bytes = 32 * kMiB;
  Answer(kAdmit, Patch(patch));

  ASSERT_THAT(agent_.ErrorOf(Launch()), IsOk());

  const absl::StatusOr<v1::Guest> guest = Get();
  ASSERT_THAT(guest, IsOk());
  EXPECT_EQ(guest->labels().at("project"), "x");
  EXPECT_EQ(guest->spec().memory_bytes(), 32 * kMiB);
  EXPECT_THAT(EventMessages("guest.patched"),
              ElementsAre(HasSubstr("plugin 'admit' (admit): label project = "
                                    "x, memory_bytes = 33554432")));
  ASSERT_THAT(Questions(kArgv), SizeIs(1));
  EXPECT_EQ(Questions(kArgv)[0].guest.spec.memory_bytes, 32 * kMiB);
}

TEST_F(PluginPipelineTest, RequestThatWasTakenIsNotDeniedWhenItIsRepeated) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  request.set_request_id(MakeUuid());
  const absl::StatusOr<Operation> first = Launch(request);
  ASSERT_THAT(agent_.ErrorOf(first), IsOk());
  Answer(kAdmit, Deny("not any more"));

  const absl::StatusOr<Operation> again = Launch(request);

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->name(), first->name());
}

TEST_F(PluginPipelineTest, LaunchThatIsDeniedLaterLeavesNoGuest) {
  for (const size_t stage : {kPrepare, kArgv}) {
    Answer(stage, Deny("not so"));

    const absl::Status error = agent_.ErrorOf(Launch());

    EXPECT_THAT(error, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("not so")));
    EXPECT_THAT(error, HasReason(reason::kPluginDenied));
    EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
    Answer(stage, PluginAnswer());
  }
  EXPECT_EQ(Launches(), 0);
}

TEST_F(PluginPipelineTest, LimitsMayStillShrinkWhenItIsPrepared) {
  PluginPatch patch;
  patch.memory_bytes = 32 * kMiB;
  Answer(kPrepare, Patch(patch));

  ASSERT_THAT(agent_.ErrorOf(Launch()), IsOk());

  EXPECT_EQ(Get()->spec().memory_bytes(), 32 * kMiB);
  EXPECT_THAT(EventMessages("guest.patched"), SizeIs(1));
  EXPECT_EQ(Questions(kArgv)[0].guest.spec.memory_bytes, 32 * kMiB);
}

TEST_F(PluginPipelineTest, NothingShrinksAtTheLastLook) {
  PluginPatch patch;
  patch.memory_bytes = 32 * kMiB;
  Answer(kArgv, Patch(patch));

  EXPECT_THAT(agent_.ErrorOf(Launch()), HasReason(reason::kPluginFailed));
  EXPECT_EQ(Launches(), 0);
}

TEST_F(PluginPipelineTest, LaunchThatWaitsForAPluginIsCancelledAtOnce) {
  size_t asked = 0;
  for (const size_t stage : {kPrepare, kArgv}) {
    HangAt(stage);
    const absl::StatusOr<Operation> launch = Launch();
    ASSERT_THAT(launch, IsOk());
    ASSERT_TRUE(AwaitQuestions(stage, 1));

    ASSERT_THAT(Cancel(launch->name()), IsOk());

    EXPECT_THAT(agent_.ErrorOf(launch), HasReason(reason::kOperationCancelled));
    EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
    agent_.OnLoop([&] {
      EXPECT_EQ(agent_.plugin(stage).aborts(), 1);
      agent_.plugin(stage).Hang(false);
    });
    ++asked;
  }
  EXPECT_EQ(asked, 2u);
  EXPECT_EQ(Launches(), 0);
}

TEST_F(PluginPipelineTest, PluginThatHangsKeepsNobodyFromStopping) {
  for (const size_t stage : {kPrepare, kArgv}) {
    HangAt(stage);
    const absl::StatusOr<Operation> launch = Launch();
    ASSERT_THAT(launch, IsOk());
    ASSERT_TRUE(AwaitQuestions(stage, 1));

    EXPECT_THAT(agent_.ErrorOf(Stop()), IsOk());

    EXPECT_THAT(agent_.ErrorOf(launch), HasReason(reason::kOperationCancelled));
    v1::DeleteGuestRequest request;
    request.set_name("guests/web");
    EXPECT_THAT(agent_.ErrorOf(agent_.Call(
                    "user/op", &v1::Guests::Stub::DeleteGuest, request)),
                IsOk());
    agent_.OnLoop([&] { agent_.plugin(stage).Hang(false); });
  }
}

TEST_F(PluginPipelineTest, PluginThatHangsHoldsUpNoOtherLaunch) {
  agent_.OnLoop([&] {
    agent_.plugin(kAdmit).SetAnswer([this](const PluginQuestion& question) {
      agent_.plugin(kPrepare).Hang(question.guest.id == "slow");
      return PluginAnswer();
    });
  });
  const absl::StatusOr<Operation> slow =
      Launch(TestAgent::MakeLaunch("slow", "user/bob"));
  ASSERT_THAT(slow, IsOk());
  ASSERT_TRUE(AwaitQuestions(kPrepare, 1));

  EXPECT_THAT(agent_.ErrorOf(Launch()), IsOk());

  ASSERT_THAT(Cancel(slow->name()), IsOk());
  EXPECT_THAT(agent_.ErrorOf(slow), HasReason(reason::kOperationCancelled));
}

TEST_F(PluginPipelineTest, StartIsAskedAboutAgainAndMayBeDenied) {
  agent_.Run("web", "user/alice");
  ASSERT_THAT(agent_.ErrorOf(Stop()), IsOk());
  for (const size_t stage : {kAdmit, kPrepare, kArgv}) {
    Answer(stage, Deny("not again"));

    EXPECT_THAT(agent_.ErrorOf(Start()), HasReason(reason::kPluginDenied));

    EXPECT_TRUE(Questions(stage).back().restart);
    EXPECT_FALSE(Get()->has_process());
    Answer(stage, PluginAnswer());
  }
  EXPECT_THAT(agent_.ErrorOf(Start()), IsOk());
}

TEST_F(PluginPipelineTest, StartIsNeverPatched) {
  agent_.Run("web", "user/alice");
  ASSERT_THAT(agent_.ErrorOf(Stop()), IsOk());
  PluginPatch patch;
  patch.memory_bytes = 32 * kMiB;
  for (const size_t stage : {kAdmit, kPrepare}) {
    Answer(stage, Patch(patch));

    EXPECT_THAT(agent_.ErrorOf(Start()), HasReason(reason::kPluginFailed));

    EXPECT_EQ(Get()->spec().memory_bytes(), 64 * kMiB);
    Answer(stage, PluginAnswer());
  }
}

TEST_F(PluginPipelineTest, ExplainShowsEveryVerdictAndLaunchesNothing) {
  PluginPatch patch;
  patch.labels = {{"project", "x"}};
  Answer(kAdmit, Patch(patch));

  const absl::StatusOr<v1::ExplainLaunchResponse> explained = Explain();

  ASSERT_THAT(explained, IsOk());
  ASSERT_THAT(explained->plugins(), SizeIs(3));
  EXPECT_EQ(explained->plugins(0).plugin(), "admit");
  EXPECT_EQ(explained->plugins(0).stage(), "admit");
  EXPECT_EQ(explained->plugins(0).verdict(), "patch");
  EXPECT_THAT(explained->plugins(0).details(),
              ElementsAre("label project = x"));
  EXPECT_EQ(explained->plugins(2).stage(), "argv");
  EXPECT_EQ(explained->plugins(2).verdict(), "allow");
  EXPECT_THAT(explained->refusals(), IsEmpty());
  EXPECT_THAT(explained->argv(), Not(IsEmpty()));
  EXPECT_TRUE(Questions(kArgv)[0].dry_run);
  EXPECT_EQ(Questions(kArgv)[0].guest.spec.labels.at("project"), "x");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(PluginPipelineTest, ExplainNamesTheRefusalsOfAllStages) {
  Answer(kAdmit, Deny("one"));
  Answer(kArgv, Deny("two"));

  const absl::StatusOr<v1::ExplainLaunchResponse> explained = Explain();

  ASSERT_THAT(explained, IsOk());
  EXPECT_THAT(explained->refusals(),
              ElementsAre(HasSubstr("one"), HasSubstr("two")));
  EXPECT_EQ(explained->host(), "");
}

TEST_F(PluginPipelineTest, ValidateOnlyAsksAndShowsTheGuestAsPatched) {
  PluginPatch patch;
  patch.labels = {{"project", "x"}};
  Answer(kAdmit, Patch(patch));
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  request.set_validate_only(true);

  const absl::StatusOr<Operation> valid = Launch(request);
  Answer(kArgv, Deny("no"));
  Answer(kAdmit, Deny("never"));
  const absl::StatusOr<Operation> invalid = Launch(request);

  ASSERT_THAT(valid, IsOk());
  v1::Guest guest;
  ASSERT_TRUE(valid->response().UnpackTo(&guest));
  EXPECT_EQ(guest.labels().at("project"), "x");
  EXPECT_THAT(invalid, HasReason(reason::kPluginDenied));
  EXPECT_THAT(DetailsOf(invalid.status()).preconditions, SizeIs(2));
}

TEST_F(PluginPipelineTest, StartsAndEndsAreToldAndNothingWaitsForThat) {
  HangAt(kNotices);

  agent_.Run("web", "user/alice");
  ASSERT_THAT(agent_.ErrorOf(Stop()), IsOk());

  std::vector<PluginNotice> notices;
  agent_.OnLoop([&] { notices = agent_.plugin(kNotices).notices(); });
  ASSERT_THAT(notices, SizeIs(1));
  EXPECT_TRUE(notices[0].started);
  EXPECT_EQ(notices[0].guest.id, "web");
  EXPECT_TRUE(notices[0].guest.process.has_value());
}

}  // namespace
}  // namespace innkeeper
