#include "agent/plugin/testing/plugin_conformance.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/qmp/testing/await.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::Pair;

GuestRecord Web() {
  GuestRecord guest;
  guest.id = "web";
  guest.uid = "00000000-0000-4000-8000-000000000001";
  guest.owner = "user/ada";
  guest.spec.memory_bytes = kMinMemoryBytes;
  return guest;
}

PluginQuestion AboutWeb(PluginStage stage) {
  PluginQuestion question;
  question.stage = stage;
  question.guest = Web();
  question.caller = "user/ada";
  return question;
}

}  // namespace

absl::StatusOr<PluginAnswer> PluginConformanceTest::Review(PluginStage stage) {
  return Await<absl::StatusOr<PluginAnswer>>(
      &host_->loop(), [&](Completion<PluginAnswer> done) {
        auto inside = std::make_shared<bool>(true);
        host_->plugin().Review(
            AboutWeb(stage), [this, inside, done = std::move(done)](
                                 absl::StatusOr<PluginAnswer> answer) mutable {
              EXPECT_FALSE(*inside) << "answered inside the call";
              EXPECT_TRUE(host_->loop().OnLoopThread());
              done(std::move(answer));
            });
        *inside = false;
      });
}

absl::Status PluginConformanceTest::Notify(bool started) {
  return Await<absl::Status>(&host_->loop(), [&](StatusCompletion done) {
    host_->plugin().Notify({started, Web()}, std::move(done));
  });
}

TEST_P(PluginConformanceTest, AnswersComeAsThePluginGaveThem) {
  Make();
  PluginAnswer deny;
  deny.kind = PluginAnswer::Kind::kDeny;
  deny.reasons = {"no", "never"};
  PluginAnswer patch;
  patch.kind = PluginAnswer::Kind::kPatch;
  patch.patch.labels = {{"project", "x"}};
  patch.patch.memory_bytes = kMinMemoryBytes;
  patch.patch.vcpu_count = 1;
  patch.patch.kernel_command_line_suffix = "quiet";

  const absl::StatusOr<PluginAnswer> allowed = Review();
  host_->SetAnswer(deny);
  const absl::StatusOr<PluginAnswer> denied = Review(PluginStage::kPrepare);
  host_->SetAnswer(patch);
  const absl::StatusOr<PluginAnswer> patched = Review(PluginStage::kArgv);

  ASSERT_THAT(allowed, IsOk());
  EXPECT_EQ(allowed->kind, PluginAnswer::Kind::kAllow);
  ASSERT_THAT(denied, IsOk());
  EXPECT_EQ(denied->kind, PluginAnswer::Kind::kDeny);
  EXPECT_THAT(denied->reasons, ElementsAre("no", "never"));
  ASSERT_THAT(patched, IsOk());
  EXPECT_EQ(patched->kind, PluginAnswer::Kind::kPatch);
  EXPECT_THAT(patched->patch.labels, ElementsAre(Pair("project", "x")));
  EXPECT_EQ(patched->patch.memory_bytes, kMinMemoryBytes);
  EXPECT_EQ(patched->patch.vcpu_count, 1);
  EXPECT_EQ(patched->patch.kernel_command_line_suffix, "quiet");
  EXPECT_THAT(host_->Heard(),
              ElementsAre("admit web user/ada", "prepare web user/ada",
                          "argv web user/ada"));
}

TEST_P(PluginConformanceTest, NoticesArrive) {
  Make();

  EXPECT_THAT(Notify(true), IsOk());
  EXPECT_THAT(Notify(false), IsOk());

  EXPECT_THAT(host_->Heard(), ElementsAre("started web", "stopped web"));
}

TEST_P(PluginConformanceTest, OneThatHangsIsGivenUpAtItsDeadline) {
  Make(absl::Milliseconds(50));
  host_->Hang();

  EXPECT_THAT(Review(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Notify(true), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(PluginConformanceTest, OneThatIsNotThereIsUnavailable) {
  Make();
  host_->GoAway();

  EXPECT_THAT(Review(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Notify(false), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(PluginConformanceTest, QuestionThatIsGivenUpIsCancelled) {
  Make(absl::Seconds(10));
  host_->Hang();
  const absl::Time start = absl::Now();

  const absl::StatusOr<PluginAnswer> answer =
      Await<absl::StatusOr<PluginAnswer>>(
          &host_->loop(), [&](Completion<PluginAnswer> done) {
            host_->plugin().Review(AboutWeb(PluginStage::kAdmit),
                                   std::move(done))();
          });

  EXPECT_THAT(answer, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST_P(PluginConformanceTest, GivingUpWhatIsAnsweredDoesNothing) {
  Make();
  LaunchPlugin::Abort abort;

  const absl::StatusOr<PluginAnswer> answer =
      Await<absl::StatusOr<PluginAnswer>>(
          &host_->loop(), [&](Completion<PluginAnswer> done) {
            abort = host_->plugin().Review(AboutWeb(PluginStage::kAdmit),
                                           std::move(done));
          });
  host_->loop().PostAndWait([&] { abort(); });

  EXPECT_THAT(answer, IsOk());
  EXPECT_THAT(Review(), IsOk());
}

}  // namespace innkeeper
