// Asks the plugins about a launch, one after the other.
#ifndef INNKEEPER_AGENT_PLUGIN_LAUNCH_REVIEW_H_
#define INNKEEPER_AGENT_PLUGIN_LAUNCH_REVIEW_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"
#include "agent/plugin/launch_plugin.h"
#include "agent/plugin/plugin_set.h"
#include "auth/permit.h"
#include "base/event_loop.h"

namespace innkeeper {

// What one plugin said at one stage.
struct PluginVerdict {
  std::string plugin;
  std::string stage;
  std::string verdict;  // "allow", "deny", "patch", "failed".
  std::vector<std::string> details;
};

// What came of one stage.
struct ReviewOutcome {
  // OK, or why the guest may not be launched: FAILED_PRECONDITION
  // (PLUGIN_DENIED, or PLUGIN_FAILED where one that must be heard gave no
  // answer, or one that cannot be accepted), RESOURCE_EXHAUSTED
  // (TOO_MANY_REQUESTS), CANCELLED. Texts of plugins in it are printable and
  // bounded.
  absl::Status status;
  // With `dry_run` all are asked; these are all refusals.
  std::vector<absl::Status> refusals;
  GuestRecord guest;                 // As changed.
  std::vector<std::string> changes;  // Empty: as it was.
  std::vector<PluginVerdict> verdicts;
};

// Used on its event loop only. What the pointers point to must outlive it.
class LaunchReview {
 public:
  struct Parts {
    EventLoop* loop;
    const PluginSet* plugins;
    std::string host;  // "hosts/h1"
  };
  // Beyond these many at once launches are refused, so that plugins that hang
  // cost a bound; of one owner, so that nobody's plugins use that up.
  static constexpr int kMaxReviews = 1024;
  static constexpr int kMaxReviewsOfOwner = 64;

  explicit LaunchReview(Parts parts) : parts_(std::move(parts)) {}

  // Whether Start() might ask anybody: cheap.
  bool MayAsk(PluginStage stage, absl::string_view owner) const {
    return parts_.plugins->MayHave(stage, owner);
  }

  // Asks about `question`. `permit` is the caller's for the launch; absent: see
  // PatchRules. `done` runs on the loop, later. The result gives the review up;
  // its outcome is CANCELLED then, at once.
  LaunchPlugin::Abort Start(PluginQuestion question,
                            std::optional<Permit> permit,
                            absl::AnyInvocable<void(ReviewOutcome)> done);

 private:
  struct Run;
  using RunPtr = std::shared_ptr<Run>;

  absl::Status Reserve(const RunPtr& run);
  void AskNext(const RunPtr& run);
  void TakeAnswer(const RunPtr& run, const PluginConfig& plugin,
                  absl::StatusOr<PluginAnswer> answer);
  void TakeFailure(const RunPtr& run, const PluginConfig& plugin,
                   const absl::Status& failure);
  void TakePatch(const RunPtr& run, const PluginConfig& plugin,
                 const PluginPatch& patch);
  void Refuse(const RunPtr& run, absl::Status refusal);
  void Finish(const RunPtr& run);

  const Parts parts_;
  int reviews_ = 0;
  std::map<std::string, int, std::less<>> reviews_of_owner_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_LAUNCH_REVIEW_H_
