#include "agent/plugin/launch_review.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/plugin/testing/fake_launch_plugin.h"
#include "auth/testing/permit_for_test.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int64_t kMiB = int64_t{1} << 20;

PluginAnswer Deny(std::vector<std::string> reasons) {
  PluginAnswer answer;
  answer.kind = PluginAnswer::Kind::kDeny;
  answer.reasons = std::move(reasons);
  return answer;
}

PluginAnswer Label(const std::string& key, const std::string& value) {
  PluginAnswer answer;
  answer.kind = PluginAnswer::Kind::kPatch;
  answer.patch.labels = {{key, value}};
  return answer;
}

class LaunchReviewTest : public testing::Test {
 protected:
  // The host's plugins, in order: "a" and "b", of which "b" is optional.
  LaunchReviewTest() : loop_("test") {
    PluginSet::Parts parts;
    for (const char* name : {"a", "b"}) {
      PluginConfig config;
      config.name = name;
      config.stages = {PluginStage::kAdmit, PluginStage::kPrepare,
                       PluginStage::kArgv};
      config.deadline = absl::Milliseconds(50);
      config.fail_open = config.name == "b";
      parts.host_wide.push_back(config);
    }
    parts.make = [this](const PluginConfig& config) {
      plugins_.push_back(std::make_shared<FakeLaunchPlugin>(&loop_, config));
      return plugins_.back();
    };
    set_ = std::make_unique<PluginSet>(std::move(parts));
    review_ = std::make_unique<LaunchReview>(
        LaunchReview::Parts{&loop_, set_.get(), "hosts/h1"});
    question_.guest.id = "web";
    question_.guest.owner = "user/ada";
    question_.guest.spec.memory_bytes = 64 * kMiB;
    question_.caller = "user/ada";
  }

  ReviewOutcome Review(absl::string_view scope = "all") {
    ReviewOutcome result;
    absl::Notification done;
    loop_.PostAndWait([&] {
      review_->Start(question_,
                     PermitForTest("user/ada", "guests.launch", "", scope),
                     [&](ReviewOutcome outcome) {
                       result = std::move(outcome);
                       done.Notify();
                     });
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
    return result;
  }
  void Answer(size_t plugin, const absl::StatusOr<PluginAnswer>& answer) {
    loop_.PostAndWait([&] {
      plugins_[plugin]->SetAnswer(
          [answer](const PluginQuestion&) { return answer; });
    });
  }
  size_t QuestionsOf(size_t plugin) {
    size_t count = 0;
    loop_.PostAndWait([&] { count = plugins_[plugin]->questions().size(); });
    return count;
  }
  static std::string Message(const ReviewOutcome& outcome) {
    return std::string(outcome.status.message());
  }

  EventLoop loop_;
  std::vector<std::shared_ptr<FakeLaunchPlugin>> plugins_;
  std::unique_ptr<PluginSet> set_;
  std::unique_ptr<LaunchReview> review_;
  PluginQuestion question_;
};

TEST_F(LaunchReviewTest, SilenceAllows) {
  const ReviewOutcome outcome = Review();

  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_THAT(outcome.changes, IsEmpty());
  ASSERT_THAT(outcome.verdicts, SizeIs(2));
  EXPECT_EQ(outcome.verdicts[0].plugin, "a");
  EXPECT_EQ(outcome.verdicts[0].stage, "admit");
  EXPECT_EQ(outcome.verdicts[0].verdict, "allow");
}

TEST_F(LaunchReviewTest, EachSeesTheGuestAsChangedByThoseBefore) {
  Answer(0, Label("project", "x"));
  loop_.PostAndWait([&] {
    plugins_[1]->SetAnswer([](const PluginQuestion& question) {
      return Label("seen", question.guest.spec.labels.at("project"));
    });
  });

  const ReviewOutcome outcome = Review();

  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.guest.spec.labels.at("seen"), "x");
  EXPECT_THAT(outcome.changes,
              ElementsAre("plugin 'a' (admit): label project = x",
                          "plugin 'b' (admit): label seen = x"));
  EXPECT_EQ(outcome.verdicts[1].verdict, "patch");
  EXPECT_THAT(outcome.verdicts[1].details, ElementsAre("label seen = x"));
}

TEST_F(LaunchReviewTest, DenialNamesThePluginAndItsReasonsAndEndsIt) {
  Answer(0, Deny({"no project", "too big"}));

  const ReviewOutcome outcome = Review();

  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(outcome.status, HasReason(reason::kPluginDenied));
  EXPECT_EQ(Message(outcome),
            "plugin 'a' denies guest 'web' (admit): no project; too big");
  EXPECT_EQ(DetailsOf(outcome.status).metadata.at("plugin"), "a");
  EXPECT_EQ(QuestionsOf(1), 0u);
}

TEST_F(LaunchReviewTest, EndlessReasonsAreCutAndMadePrintable) {
  std::vector<std::string> reasons(100000, "again");
  reasons[0] = absl::StrCat("\x1b[2J\n", std::string(100000, 'x'));
  Answer(0, Deny(std::move(reasons)));

  const ReviewOutcome outcome = Review();

  EXPECT_LE(Message(outcome).size(), 2000u);
  EXPECT_THAT(Message(outcome),
              AllOf(HasSubstr("?[2J?xxx"), HasSubstr("and 99992 more reasons"),
                    Not(HasSubstr("\x1b")), Not(HasSubstr("\n"))));
}

TEST_F(LaunchReviewTest, DenialWithoutAReasonSaysSo) {
  Answer(0, Deny({}));

  EXPECT_THAT(Message(Review()), HasSubstr("it gives no reason"));
}

TEST_F(LaunchReviewTest, PluginThatMustBeHeardAndIsNotThereFailsTheLaunch) {
  Answer(0, absl::UnavailableError("nobody\nlistens"));

  const ReviewOutcome outcome = Review();

  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("'a', which must be heard")));
  EXPECT_THAT(outcome.status, HasReason(reason::kPluginFailed));
  EXPECT_THAT(Message(outcome), HasSubstr("nobody?listens"));
}

TEST_F(LaunchReviewTest, PluginThatHangsIsGivenUpAtItsDeadline) {
  loop_.PostAndWait([&] { plugins_[0]->Hang(true); });

  EXPECT_THAT(Message(Review()), HasSubstr("no answer within 50ms"));
}

TEST_F(LaunchReviewTest, WithoutAnOptionalPluginTheLaunchGoesOn) {
  loop_.PostAndWait([&] { plugins_[1]->Hang(true); });

  const ReviewOutcome outcome = Review();

  EXPECT_THAT(outcome.status, IsOk());
  ASSERT_THAT(outcome.verdicts, SizeIs(2));
  EXPECT_EQ(outcome.verdicts[1].verdict, "failed");
}

TEST_F(LaunchReviewTest, PatchThatWidensFailsTheLaunchAlsoOfAnOptionalPlugin) {
  PluginAnswer more;
  more.kind = PluginAnswer::Kind::kPatch;
  more.patch.memory_bytes = 65 * kMiB;
  Answer(1, more);

  const ReviewOutcome outcome = Review();

  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("plugin 'b'")));
  EXPECT_THAT(outcome.status, HasReason(reason::kPluginFailed));
  EXPECT_THAT(Message(outcome), HasSubstr("may only go down"));
  EXPECT_EQ(outcome.guest.spec.memory_bytes, 64 * kMiB);
}

TEST_F(LaunchReviewTest, PatchBeyondTheCallersScopeIsRefused) {
  question_.guest.spec.labels = {{"tier", "db"}};
  Answer(0, Label("tier", "front"));

  EXPECT_THAT(Message(Review("label:tier=db")),
              HasSubstr("more than the caller of the launch may ask for"));
  EXPECT_THAT(Review("all").status, IsOk());
}

TEST_F(LaunchReviewTest, DryRunAsksAllAndCollectsEveryRefusal) {
  question_.dry_run = true;
  Answer(0, Deny({"one"}));
  Answer(1, Deny({"two"}));

  const ReviewOutcome outcome = Review();

  EXPECT_THAT(outcome.refusals, SizeIs(2));
  ASSERT_THAT(outcome.verdicts, SizeIs(2));
  EXPECT_THAT(outcome.verdicts[1].details, ElementsAre("two"));
}

TEST_F(LaunchReviewTest, GivenUpReviewIsCancelledAtOnceAndSoIsItsQuestion) {
  ReviewOutcome result;
  absl::Notification done;
  loop_.PostAndWait([&] {
    plugins_[0]->Hang(true);
    LaunchPlugin::Abort abort =
        review_->Start(question_, std::nullopt, [&](ReviewOutcome outcome) {
          result = std::move(outcome);
          done.Notify();
        });
    // After the first question is out.
    auto later = std::make_shared<LaunchPlugin::Abort>(std::move(abort));
    loop_.Post([later] {
      (*later)();
      (*later)();
    });
  });

  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kCancelled));
  int aborts = 0;
  loop_.PostAndWait([&] { aborts = plugins_[0]->aborts(); });
  EXPECT_EQ(aborts, 1);
}

TEST_F(LaunchReviewTest, OneOwnersReviewsDoNotUseUpThoseOfOthers) {
  int refused = 0;
  int others = 0;
  std::vector<LaunchPlugin::Abort> aborts;
  loop_.PostAndWait([&] {
    plugins_[0]->Hang(true);
    for (int i = 0; i < LaunchReview::kMaxReviewsOfOwner + 1; ++i) {
      aborts.push_back(review_->Start(
          question_, std::nullopt, [&refused](const ReviewOutcome& outcome) {
            if (absl::IsResourceExhausted(outcome.status)) ++refused;
          }));
    }
    question_.guest.owner = "user/bob";
    aborts.push_back(review_->Start(
        question_, std::nullopt, [&others](const ReviewOutcome& outcome) {
          if (absl::IsResourceExhausted(outcome.status)) ++others;
        }));
  });
  // What was posted by then has run.
  loop_.PostAndWait([] {});
  loop_.PostAndWait([] {});

  loop_.PostAndWait([&] {
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(others, 0);
    for (LaunchPlugin::Abort& abort : aborts) abort();
    question_.guest.owner = "user/ada";
    plugins_[0]->Hang(false);
  });
  loop_.PostAndWait([] {});
  EXPECT_THAT(Review().status, IsOk());
}

}  // namespace
}  // namespace innkeeper
