// What every LaunchPlugin must do, as one suite. A plugin's test links
// :plugin_conformance and says how to make one:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, PluginConformanceTest,
//                            testing::Values(MakeFakePlugin));
#ifndef INNKEEPER_AGENT_PLUGIN_TESTING_PLUGIN_CONFORMANCE_H_
#define INNKEEPER_AGENT_PLUGIN_TESTING_PLUGIN_CONFORMANCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/plugin/launch_plugin.h"
#include "base/event_loop.h"
#include "gtest/gtest.h"

namespace innkeeper {

// A plugin and whoever answers for it. The methods are called on the test's
// thread and return when what they say is so.
class PluginUnderTest {
 public:
  virtual ~PluginUnderTest() = default;

  virtual EventLoop& loop() = 0;
  // On the loop only.
  virtual LaunchPlugin& plugin() = 0;
  virtual void SetAnswer(const PluginAnswer& answer) = 0;
  // Nothing is answered any more.
  virtual void Hang() = 0;
  // Nobody is there any more.
  virtual void GoAway() = 0;
  // What it was asked and told, in order: "admit web user/ada", "started web".
  virtual std::vector<std::string> Heard() = 0;
};

using PluginFactory =
    std::unique_ptr<PluginUnderTest> (*)(absl::Duration deadline);

class PluginConformanceTest : public testing::TestWithParam<PluginFactory> {
 protected:
  void Make(absl::Duration deadline = absl::Seconds(10)) {
    host_ = GetParam()(deadline);
  }
  // Asked about guest "web" of user/ada, and waited for. Checks that the answer
  // comes on the loop and not from inside the call.
  absl::StatusOr<PluginAnswer> Review(PluginStage stage = PluginStage::kAdmit);
  absl::Status Notify(bool started);

  std::unique_ptr<PluginUnderTest> host_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_PLUGIN_TESTING_PLUGIN_CONFORMANCE_H_
