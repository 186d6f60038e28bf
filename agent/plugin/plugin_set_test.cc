#include "agent/plugin/plugin_set.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agent/plugin/testing/fake_launch_plugin.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kAda = 1879990001;
constexpr uint32_t kAdaToo = 1879990002;
constexpr uint32_t kBob = 1879990003;

class PluginSetTest : public testing::Test {
 protected:
  PluginSetTest() : loop_("test") {
    char path[] = "/tmp/plugins-XXXXXX";
    directory_ = mkdtemp(path);
    for (const uint32_t uid : {kAda, kAdaToo, kBob, uint32_t{0}}) {
      const std::string own = absl::StrCat(directory_, "/", uid);
      EXPECT_EQ(mkdir(own.c_str(), 0755), 0);
      EXPECT_EQ(chown(own.c_str(), uid, uid), 0);
    }
    for (const char* name : {"first", "second"}) {
      PluginConfig config;
      config.name = name;
      config.stages = {PluginStage::kAdmit};
      parts_.host_wide.push_back(config);
    }
    parts_.host_wide[1].stages = {PluginStage::kAdmit, PluginStage::kStopped};
    parts_.local_users = {{0, "user/root"},
                          {kAda, "user/ada"},
                          {kAdaToo, "user/ada"},
                          {kBob, "user/bob"}};
    parts_.make = [this](const PluginConfig& config) {
      return std::make_shared<FakeLaunchPlugin>(&loop_, config);
    };
  }
  ~PluginSetTest() override {
    const std::string remove = "rm -rf '" + directory_ + "'";
    EXPECT_EQ(system(remove.c_str()), 0);
  }

  void Touch(uint32_t uid, const std::string& name) {
    std::ofstream file(absl::StrCat(directory_, "/", uid, "/", name));
    EXPECT_TRUE(file.good());
  }
  PluginSet Make() {
    parts_.owner_directory = directory_;
    return PluginSet(parts_);
  }
  static std::vector<std::string> Names(const PluginSet& set, PluginStage stage,
                                        const std::string& owner) {
    const auto plugins = set.For(stage, owner);
    EXPECT_THAT(plugins, IsOk());
    std::vector<std::string> names;
    if (!plugins.ok()) return names;
    for (const auto& plugin : *plugins) names.push_back(plugin->config().name);
    return names;
  }

  EventLoop loop_;
  std::string directory_;
  PluginSet::Parts parts_;
};

TEST_F(PluginSetTest, HostsComeFirstThenTheOwnersByUidAndName) {
  Touch(kAdaToo, "a.sock");
  Touch(kAda, "z.sock");
  Touch(kAda, "b.sock");
  Touch(kBob, "bobs.sock");
  const PluginSet set = Make();

  EXPECT_THAT(
      Names(set, PluginStage::kAdmit, "user/ada"),
      ElementsAre("first", "second", "user/ada/b", "user/ada/z", "user/ada/a"));
  EXPECT_THAT(Names(set, PluginStage::kAdmit, "user/bob"),
              ElementsAre("first", "second", "user/bob/bobs"));
  EXPECT_THAT(Names(set, PluginStage::kStopped, "user/eve"),
              ElementsAre("second"));
}

TEST_F(PluginSetTest, RootHasNoPluginsOfItsOwn) {
  Touch(0, "a.sock");
  const PluginSet set = Make();

  EXPECT_THAT(Names(set, PluginStage::kStopped, "user/root"),
              ElementsAre("second"));
  EXPECT_FALSE(set.MayHave(PluginStage::kArgv, "user/root"));
}

TEST_F(PluginSetTest, WithoutADirectoryOwnersHaveNone) {
  Touch(kAda, "a.sock");
  const PluginSet set(parts_);

  EXPECT_THAT(Names(set, PluginStage::kAdmit, "user/ada"),
              ElementsAre("first", "second"));
  EXPECT_FALSE(set.MayHave(PluginStage::kArgv, "user/ada"));
  EXPECT_TRUE(set.MayHave(PluginStage::kAdmit, "user/ada"));
}

TEST_F(PluginSetTest, AnOwnerCannotHaveMoreByMoreLocalUsers) {
  for (const char* name : {"a.sock", "b.sock", "c.sock"}) {
    Touch(kAda, name);
    Touch(kAdaToo, name);
  }
  const PluginSet set = Make();

  const auto plugins = set.For(PluginStage::kAdmit, "user/ada");

  EXPECT_THAT(plugins, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("more than 4")));
  EXPECT_THAT(plugins, HasReason(reason::kPluginFailed));
}

TEST_F(PluginSetTest, OneOwnersBadDirectoryIsNothingToAnother) {
  const std::string own = absl::StrCat(directory_, "/", kAda);
  ASSERT_EQ(chmod(own.c_str(), 0777), 0);
  Touch(kBob, "a.sock");
  const PluginSet set = Make();

  EXPECT_THAT(set.For(PluginStage::kAdmit, "user/ada"),
              HasReason(reason::kPluginFailed));
  EXPECT_THAT(Names(set, PluginStage::kArgv, "user/bob"),
              ElementsAre("user/bob/a"));
}

}  // namespace
}  // namespace innkeeper
