#include "agent/plugin/launch_review.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/guest/guest_name.h"
#include "agent/plugin/plugin_patch.h"
#include "agent/qmp/printable_text.h"
#include "auth/resource.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxReasons = 8;
constexpr size_t kMaxReasonBytes = 500;
// A message travels in a call's metadata, which has its own bound.
constexpr size_t kMaxRefusalBytes = 2000;

// What a plugin gives as reasons, fit to be shown.
std::vector<std::string> ShownReasons(const std::vector<std::string>& reasons) {
  std::vector<std::string> shown;
  for (const std::string& reason : reasons) {
    if (shown.size() == kMaxReasons) {
      shown.push_back(
          absl::StrCat("and ", reasons.size() - kMaxReasons, " more reasons"));
      break;
    }
    shown.push_back(PrintableText(reason, kMaxReasonBytes));
  }
  if (shown.empty()) shown.push_back("it gives no reason");
  return shown;
}

absl::Status Refusal(absl::StatusCode code, absl::string_view reason,
                     const PluginConfig& plugin, const PluginQuestion& question,
                     absl::string_view text) {
  const std::string message = PrintableText(text, kMaxRefusalBytes);
  return Error(code, reason, message)
      .With("plugin", plugin.name)
      .With("stage", ToString(question.stage))
      .With("guest", question.guest.id)
      .Precondition(reason, ToGuestName(question.guest.id), message);
}

}  // namespace

struct LaunchReview::Run {
  PluginQuestion question;
  std::optional<Permit> permit;
  absl::AnyInvocable<void(ReviewOutcome)> done;
  std::vector<std::shared_ptr<LaunchPlugin>> plugins;
  size_t next = 0;
  ReviewOutcome outcome;
  LaunchPlugin::Abort abort;  // Of the question that is out.
  bool counted = false;
  bool ended = false;
};

LaunchPlugin::Abort LaunchReview::Start(
    PluginQuestion question, std::optional<Permit> permit,
    absl::AnyInvocable<void(ReviewOutcome)> done) {
  auto run = std::make_shared<Run>();
  run->question = std::move(question);
  run->permit = std::move(permit);
  run->done = std::move(done);
  const std::string& owner = run->question.guest.owner;
  absl::StatusOr<std::vector<std::shared_ptr<LaunchPlugin>>> plugins =
      parts_.plugins->For(run->question.stage, owner);
  absl::Status fault = plugins.ok() ? Reserve(run) : plugins.status();
  if (plugins.ok()) run->plugins = *std::move(plugins);
  parts_.loop->Post([this, run, fault] {
    if (run->ended) return;
    if (fault.ok()) return AskNext(run);
    run->outcome.refusals.push_back(fault);
    run->outcome.verdicts.push_back({run->question.guest.owner,
                                     std::string(ToString(run->question.stage)),
                                     "failed",
                                     {std::string(fault.message())}});
    Finish(run);
  });
  return [this, run] {
    if (run->ended) return;
    run->outcome.refusals = {
        Error(absl::StatusCode::kCancelled, reason::kOperationCancelled,
              absl::StrCat("the plugins are no longer asked about guest '",
                           run->question.guest.id, "'"))};
    LaunchPlugin::Abort abort = std::move(run->abort);
    run->abort = nullptr;
    Finish(run);
    if (abort != nullptr) abort();
  };
}

absl::Status LaunchReview::Reserve(const RunPtr& run) {
  int& of_owner = reviews_of_owner_[run->question.guest.owner];
  if (reviews_ >= kMaxReviews || of_owner >= kMaxReviewsOfOwner) {
    return Error(
               absl::StatusCode::kResourceExhausted, reason::kTooManyRequests,
               absl::StrCat("too many launches of ", run->question.guest.owner,
                            " wait for plugins; try again later"))
        .With("owner", run->question.guest.owner);
  }
  ++reviews_;
  ++of_owner;
  run->counted = true;
  return absl::OkStatus();
}

void LaunchReview::AskNext(const RunPtr& run) {
  const bool refused = !run->outcome.refusals.empty() && !run->question.dry_run;
  if (refused || run->next == run->plugins.size()) return Finish(run);
  LaunchPlugin& plugin = *run->plugins[run->next++];
  run->abort =
      plugin.Review(run->question, [this, run, config = plugin.config()](
                                       absl::StatusOr<PluginAnswer> answer) {
        if (run->ended) return;
        TakeAnswer(run, config, std::move(answer));
        AskNext(run);
      });
}

void LaunchReview::TakeAnswer(const RunPtr& run, const PluginConfig& plugin,
                              absl::StatusOr<PluginAnswer> answer) {
  if (!answer.ok()) return TakeFailure(run, plugin, answer.status());
  const std::string stage(ToString(run->question.stage));
  switch (answer->kind) {
    case PluginAnswer::Kind::kAllow:
      run->outcome.verdicts.push_back({plugin.name, stage, "allow", {}});
      return;
    case PluginAnswer::Kind::kPatch:
      return TakePatch(run, plugin, answer->patch);
    case PluginAnswer::Kind::kDeny:
      break;
  }
  std::vector<std::string> reasons = ShownReasons(answer->reasons);
  Refuse(run, Refusal(absl::StatusCode::kFailedPrecondition,
                      reason::kPluginDenied, plugin, run->question,
                      absl::StrCat("plugin '", plugin.name, "' denies guest '",
                                   run->question.guest.id, "' (", stage,
                                   "): ", absl::StrJoin(reasons, "; "))));
  run->outcome.verdicts.push_back(
      {plugin.name, stage, "deny", std::move(reasons)});
}

void LaunchReview::TakeFailure(const RunPtr& run, const PluginConfig& plugin,
                               const absl::Status& failure) {
  const std::string stage(ToString(run->question.stage));
  const std::string why =
      absl::IsDeadlineExceeded(failure)
          ? absl::StrCat("no answer within ",
                         absl::FormatDuration(plugin.deadline))
          : PrintableText(failure.message(), kMaxReasonBytes);
  LogWarning("plugin.failed", {{"plugin", plugin.name},
                               {"stage", stage},
                               {"guest", run->question.guest.id},
                               {"fail_open", plugin.fail_open ? "yes" : "no"},
                               {"error", why}});
  run->outcome.verdicts.push_back({plugin.name, stage, "failed", {why}});
  if (plugin.fail_open) {
    run->outcome.verdicts.back().details.push_back(
        "it is optional: the launch goes on");
    return;
  }
  // Not UNAVAILABLE: the host did answer, and whoever forwarded the launch must
  // not take it for one that may still happen.
  Refuse(run, Refusal(absl::StatusCode::kFailedPrecondition,
                      reason::kPluginFailed, plugin, run->question,
                      absl::StrCat("plugin '", plugin.name,
                                   "', which must be heard, cannot be asked "
                                   "about guest '",
                                   run->question.guest.id, "' (", stage,
                                   "): ", why, "; see to the plugin")));
}

void LaunchReview::TakePatch(const RunPtr& run, const PluginConfig& plugin,
                             const PluginPatch& patch) {
  const std::string stage(ToString(run->question.stage));
  PatchRules rules;
  rules.stage = run->question.stage;
  rules.restart = run->question.restart;
  if (run->permit.has_value()) {
    rules.may_make = [this, run](const GuestRecord& guest) {
      ResourceAttributes attributes;
      attributes.name = ToGuestName(guest.id);
      attributes.owner = guest.owner;
      attributes.host = parts_.host;
      attributes.labels = guest.spec.labels;
      return run->permit->CanSee(attributes);
    };
  }
  absl::StatusOr<std::vector<std::string>> changes =
      ApplyPatch(patch, rules, &run->question.guest);
  if (!changes.ok()) {
    const std::string why(changes.status().message());
    LogWarning("plugin.patch_refused", {{"plugin", plugin.name},
                                        {"stage", stage},
                                        {"guest", run->question.guest.id},
                                        {"error", why}});
    run->outcome.verdicts.push_back({plugin.name, stage, "failed", {why}});
    // Whether or not it is optional: it has said something, and to launch as if
    // it had not might be the opposite of what it wants.
    return Refuse(
        run,
        Refusal(absl::StatusCode::kFailedPrecondition, reason::kPluginFailed,
                plugin, run->question,
                absl::StrCat("the answer of plugin '", plugin.name,
                             "' about guest '", run->question.guest.id, "' (",
                             stage, ") cannot be accepted: ", why)));
  }
  if (!changes->empty()) {
    run->outcome.changes.push_back(
        absl::StrCat("plugin '", plugin.name, "' (", stage,
                     "): ", absl::StrJoin(*changes, ", ")));
    LogInfo("plugin.patched",
            {{"plugin", plugin.name},
             {"stage", stage},
             {"guest", run->question.guest.id},
             {"dry_run", run->question.dry_run ? "yes" : "no"},
             {"changes", absl::StrJoin(*changes, ", ")}});
  }
  run->outcome.verdicts.push_back({plugin.name, stage,
                                   changes->empty() ? "allow" : "patch",
                                   *std::move(changes)});
}

void LaunchReview::Refuse(const RunPtr& run, absl::Status refusal) {
  run->outcome.refusals.push_back(std::move(refusal));
}

void LaunchReview::Finish(const RunPtr& run) {
  run->ended = true;
  run->abort = nullptr;
  if (run->counted) {
    --reviews_;
    const auto of_owner = reviews_of_owner_.find(run->question.guest.owner);
    if (--of_owner->second == 0) reviews_of_owner_.erase(of_owner);
  }
  run->outcome.guest = std::move(run->question.guest);
  if (!run->outcome.refusals.empty()) {
    run->outcome.status = run->outcome.refusals[0];
  }
  // Whoever gives it up from within a call is told later, too.
  parts_.loop->Post([run] { run->done(std::move(run->outcome)); });
}

}  // namespace innkeeper
