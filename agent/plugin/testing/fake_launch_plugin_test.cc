#include "agent/plugin/testing/fake_launch_plugin.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/plugin/testing/plugin_conformance.h"
#include "base/event_loop.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

PluginConfig MakeConfig(absl::Duration deadline) {
  PluginConfig config;
  config.name = "fake";
  config.deadline = deadline;
  return config;
}

class FakePluginUnderTest final : public PluginUnderTest {
 public:
  explicit FakePluginUnderTest(absl::Duration deadline)
      : plugin_(&loop_, MakeConfig(deadline)) {}

  EventLoop& loop() override { return loop_; }
  LaunchPlugin& plugin() override { return plugin_; }
  void SetAnswer(const PluginAnswer& answer) override {
    loop_.PostAndWait([&] {
      plugin_.SetAnswer([answer](const PluginQuestion&) { return answer; });
    });
  }
  void Hang() override {
    loop_.PostAndWait([&] { plugin_.Hang(true); });
  }
  void GoAway() override {
    const absl::Status gone = absl::UnavailableError("gone");
    loop_.PostAndWait([&] {
      plugin_.SetAnswer([gone](const PluginQuestion&) { return gone; });
      plugin_.FailNotices(gone);
    });
  }
  std::vector<std::string> Heard() override {
    std::vector<std::string> heard;
    loop_.PostAndWait([&] {
      for (const PluginQuestion& question : plugin_.questions()) {
        heard.push_back(absl::StrCat(ToString(question.stage), " ",
                                     question.guest.id, " ", question.caller));
      }
      for (const PluginNotice& notice : plugin_.notices()) {
        heard.push_back(absl::StrCat(notice.started ? "started " : "stopped ",
                                     notice.guest.id));
      }
    });
    return heard;
  }

 private:
  EventLoop loop_{"fake"};
  FakeLaunchPlugin plugin_;
};

std::unique_ptr<PluginUnderTest> MakeFakePlugin(absl::Duration deadline) {
  return std::make_unique<FakePluginUnderTest>(deadline);
}

INSTANTIATE_TEST_SUITE_P(Fake, PluginConformanceTest,
                         testing::Values(MakeFakePlugin));

}  // namespace
}  // namespace innkeeper
