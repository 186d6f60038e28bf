#include "agent/plugin/plugin_notifier.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/plugin/testing/fake_launch_plugin.h"
#include "base/event_loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class CountingFeed final : public GuestFeed {
 public:
  void OnGuest(const GuestRecord&, bool, const std::string&,
               const std::vector<EventRecord>&) override {
    ++changes;
  }
  void OnGuestRemoved(const GuestRecord&,
                      const std::vector<EventRecord>&) override {
    ++removals;
  }

  int changes = 0;
  int removals = 0;
};

class PluginNotifierTest : public testing::Test {
 protected:
  PluginNotifierTest() : loop_("test") {
    PluginSet::Parts parts;
    PluginConfig config;
    config.name = "ears";
    config.stages = {PluginStage::kStarted, PluginStage::kStopped};
    config.deadline = absl::Hours(1);
    parts.host_wide = {config};
    parts.make = [this](const PluginConfig& one) {
      plugin_ = std::make_shared<FakeLaunchPlugin>(&loop_, one);
      return plugin_;
    };
    set_ = std::make_unique<PluginSet>(std::move(parts));
    notifier_ = std::make_unique<PluginNotifier>(&feed_, set_.get());
  }

  void Tell(const std::string& guest, const std::string& type,
            bool exited = false) {
    loop_.PostAndWait([&] {
      GuestRecord record;
      record.id = guest;
      record.owner = "user/ada";
      if (exited) record.exit.emplace();
      EventRecord event;
      event.type = type;
      notifier_->OnGuest(record, false, "", {event});
    });
    // The answer of the plugin comes by the loop.
    loop_.PostAndWait([] {});
  }
  std::vector<std::string> Heard() {
    std::vector<std::string> heard;
    loop_.PostAndWait([&] {
      for (const PluginNotice& notice : plugin_->notices()) {
        heard.push_back(
            absl::StrCat(notice.started ? "+" : "-", notice.guest.id));
      }
    });
    return heard;
  }
  int64_t Dropped() {
    int64_t dropped = 0;
    loop_.PostAndWait([&] { dropped = notifier_->dropped(); });
    return dropped;
  }

  EventLoop loop_;
  CountingFeed feed_;
  std::shared_ptr<FakeLaunchPlugin> plugin_;
  std::unique_ptr<PluginSet> set_;
  std::unique_ptr<PluginNotifier> notifier_;
};

TEST_F(PluginNotifierTest, StartsAndEndsAreToldInOrder) {
  Tell("a", "guest.launched");
  Tell("a", "guest.started");
  Tell("a", "guest.stopping");
  Tell("a", "guest.stopped", /*exited=*/true);
  Tell("b", "guest.failed", /*exited=*/true);

  EXPECT_THAT(Heard(), ElementsAre("+a", "-a", "-b"));
  EXPECT_EQ(Dropped(), 0);
}

TEST_F(PluginNotifierTest, LaunchThatFailedHasNotEnded) {
  Tell("a", "guest.failed");

  EXPECT_THAT(Heard(), IsEmpty());
}

TEST_F(PluginNotifierTest, EverythingIsHandedOn) {
  Tell("a", "guest.launched");
  loop_.PostAndWait([&] { notifier_->OnGuestRemoved(GuestRecord(), {}); });

  EXPECT_EQ(feed_.changes, 1);
  EXPECT_EQ(feed_.removals, 1);
}

TEST_F(PluginNotifierTest, PluginThatHangsDelaysNothingAndItsQueueIsBounded) {
  loop_.PostAndWait([&] { plugin_->Hang(true); });
  const int told = static_cast<int>(PluginNotifier::kMaxQueue) + 3;

  for (int i = 0; i < told; ++i) Tell(absl::StrCat("g", i), "guest.started");

  EXPECT_EQ(feed_.changes, told);
  EXPECT_THAT(Heard(), SizeIs(1));
  EXPECT_EQ(Dropped(), 3);
}

TEST_F(PluginNotifierTest, WhatAPluginDoesNotTakeIsDroppedAndTheNextTold) {
  loop_.PostAndWait(
      [&] { plugin_->FailNotices(absl::UnavailableError("gone")); });
  Tell("a", "guest.started");
  loop_.PostAndWait([&] { plugin_->FailNotices(absl::OkStatus()); });
  Tell("b", "guest.started");

  EXPECT_THAT(Heard(), ElementsAre("+a", "+b"));
  EXPECT_EQ(Dropped(), 1);
}

}  // namespace
}  // namespace innkeeper
