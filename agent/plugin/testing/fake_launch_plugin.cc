#include "agent/plugin/testing/fake_launch_plugin.h"

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace innkeeper {

struct FakeLaunchPlugin::Call {
  absl::AnyInvocable<void(absl::StatusOr<PluginAnswer>)> done;
  bool ended = false;

  void End(absl::StatusOr<PluginAnswer> answer) {
    if (!std::exchange(ended, true)) done(std::move(answer));
  }
};

LaunchPlugin::Abort FakeLaunchPlugin::Review(const PluginQuestion& question,
                                             Completion<PluginAnswer> done) {
  questions_.push_back(question);
  auto call = std::make_shared<Call>();
  call->done = std::move(done);
  if (hangs_) {
    ExpireLater(call);
  } else {
    absl::StatusOr<PluginAnswer> answer = PluginAnswer();
    if (answer_ != nullptr) answer = answer_(question);
    loop_->Post([call, answer = std::move(answer)] { call->End(answer); });
  }
  return [this, call] {
    if (call->ended) return;
    ++aborts_;
    loop_->Post([call] { call->End(absl::CancelledError("aborted")); });
  };
}

void FakeLaunchPlugin::Notify(const PluginNotice& notice,
                              StatusCompletion done) {
  notices_.push_back(notice);
  auto call = std::make_shared<Call>();
  call->done = [done = std::move(done)](
                   const absl::StatusOr<PluginAnswer>& answer) mutable {
    done(answer.status());
  };
  if (hangs_) return ExpireLater(std::move(call));
  absl::StatusOr<PluginAnswer> answer = PluginAnswer();
  if (!notice_status_.ok()) answer = notice_status_;
  loop_->Post([call, answer = std::move(answer)] { call->End(answer); });
}

void FakeLaunchPlugin::ExpireLater(std::shared_ptr<Call> call) {
  loop_->After(config_.deadline, [call = std::move(call)] {
    call->End(absl::DeadlineExceededError("too late"));
  });
}

}  // namespace innkeeper
