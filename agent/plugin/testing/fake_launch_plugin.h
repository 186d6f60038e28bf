// A plugin in this process, with answers and faults on order. Testonly.
#ifndef INNKEEPER_AGENT_PLUGIN_TESTING_FAKE_LAUNCH_PLUGIN_H_
#define INNKEEPER_AGENT_PLUGIN_TESTING_FAKE_LAUNCH_PLUGIN_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/plugin/launch_plugin.h"
#include "base/event_loop.h"

namespace innkeeper {

// Used on its event loop only, also to be told what to do. It keeps what
// plugin_conformance asks of a plugin.
class FakeLaunchPlugin final : public LaunchPlugin {
 public:
  using Answer =
      std::function<absl::StatusOr<PluginAnswer>(const PluginQuestion&)>;

  FakeLaunchPlugin(EventLoop* loop, PluginConfig config)
      : loop_(loop), config_(std::move(config)) {}

  // What it answers from now on. Default: allow.
  void SetAnswer(Answer answer) { answer_ = std::move(answer); }
  // Answers nothing from now on, but for its deadline; or does again.
  void Hang(bool hangs) { hangs_ = hangs; }
  void FailNotices(absl::Status status) { notice_status_ = std::move(status); }
  const std::vector<PluginQuestion>& questions() const { return questions_; }
  const std::vector<PluginNotice>& notices() const { return notices_; }
  int aborts() const { return aborts_; }

  const PluginConfig& config() const override { return config_; }
  Abort Review(const PluginQuestion& question,
               Completion<PluginAnswer> done) override;
  void Notify(const PluginNotice& notice, StatusCompletion done) override;

 private:
  struct Call;

  // Answers `call` with DEADLINE_EXCEEDED, unless it is answered before.
  void ExpireLater(std::shared_ptr<Call> call);

  EventLoop* const loop_;
  const PluginConfig config_;
  Answer answer_;
  bool hangs_ = false;
  absl::Status notice_status_;
  std::vector<PluginQuestion> questions_;
  std::vector<PluginNotice> notices_;
  int aborts_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_TESTING_FAKE_LAUNCH_PLUGIN_H_
