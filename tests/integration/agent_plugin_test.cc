// Plugins of the host and of an owner, as processes of their own, beside a real
// agent with real guests.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/console.h"
#include "tests/integration/guest_checks.h"
#include "tests/integration/lab.h"
#include "tests/integration/plugin_process.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

constexpr int64_t kAskedBytes = int64_t{256} << 20;
// Nobody's on this machine.
constexpr uid_t kPolicyUid = 1879980001;
constexpr uid_t kTenantUid = 1879980002;

class AgentPluginTest : public testing::Test {
 protected:
  AgentPluginTest() : dir_(absl::StrCat("/var/tmp/ip-", getpid())) {
    PluginProcess::MakeDirectory(dir_, 0);
    PluginProcess::MakeDirectory(dir_ + "/policy", kPolicyUid);
    PluginProcess::MakeDirectory(dir_ + "/owners", 0);
    PluginProcess::MakeDirectory(absl::StrCat(dir_, "/owners/", kTenantUid),
                                 kTenantUid);
    lab_ = std::make_unique<Lab>();
  }
  ~AgentPluginTest() override {
    lab_.reset();
    plugin_.reset();
    std::filesystem::remove_all(dir_);
  }

  // The host's plugin, which launches cannot do without.
  void UseHostPlugin() {
    const std::string socket = dir_ + "/policy/socket";
    lab_->AddConfig(absl::StrCat("plugins { name: 'policy' socket: '", socket,
                                 "' stages: [ADMIT, PREPARE, ARGV, STARTED] "
                                 "uid: ",
                                 kPolicyUid, " deadline_millis: 10000 }"));
    plugin_ =
        std::make_unique<PluginProcess>(socket, kPolicyUid, lab_->agent_uid());
  }
  // One of user/tenant-a's own.
  void UseOwnerPlugin() {
    lab_->AddConfig(absl::StrCat("owner_plugin_directory: '", dir_,
                                 "/owners'\nlocal_users { key: ", kTenantUid,
                                 " value: 'user/tenant-a' }"));
    plugin_ = std::make_unique<PluginProcess>(
        absl::StrCat(dir_, "/owners/", kTenantUid, "/limits.sock"), kTenantUid,
        lab_->agent_uid());
  }

  static v1::LaunchGuestRequest Launch(const std::string& id,
                                       const std::string& owner,
                                       const std::string& project) {
    v1::LaunchGuestRequest request = PausedGuest(id, owner);
    request.mutable_guest()->mutable_spec()->set_memory_bytes(kAskedBytes);
    request.set_request_id(MakeUuid());
    if (!project.empty()) {
      (*request.mutable_guest()->mutable_labels())["project"] = project;
    }
    return request;
  }

  const std::string dir_;
  std::unique_ptr<Lab> lab_;
  std::unique_ptr<PluginProcess> plugin_;
};

TEST_F(AgentPluginTest, ExampleRulesAHostWhoseGuestsBoot) {
  UseHostPlugin();
  ASSERT_THAT(lab_->AddTestGuest(), IsOk());
  ASSERT_THAT(lab_->Start(), IsOk());
  plugin_->Start();
  const Caller owner = lab_->As("user/tenant-a");
  v1::LaunchGuestRequest request = LinuxGuest("web", "user/tenant-a");

  const auto refused = owner.Launch(request);
  (*request.mutable_guest()->mutable_labels())["project"] = "x";
  request.mutable_guest()->mutable_spec()->set_memory_bytes(kAskedBytes);
  const auto with_project = owner.Launch(request);

  EXPECT_THAT(refused, HasReason(reason::kPluginDenied));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("plugin 'policy' denies guest 'web' (admit): every "
                        "guest needs the label project=NAME"));
  ASSERT_THAT(owner.Finish(with_project), IsOk());
  const absl::StatusOr<v1::Guest> guest = owner.Get("web");
  ASSERT_THAT(guest, IsOk());
  EXPECT_EQ(guest->spec().memory_bytes(), PluginProcess::kMaxMemoryBytes);
  Console console(owner, "web");
  EXPECT_TRUE(console.Await("INNKEEPER-GUEST-UP")) << console.output();
  EXPECT_THAT(lab_->Log(), HasSubstr("plugin.patched plugin=policy"));
}

TEST_F(AgentPluginTest, ExplainShowsWhatTheExampleSays) {
  UseHostPlugin();
  ASSERT_THAT(lab_->Start(), IsOk());
  plugin_->Start();
  const Caller owner = lab_->As("user/tenant-a");
  v1::ExplainLaunchRequest request;
  *request.mutable_launch() = Launch("web", "user/tenant-a", "x");

  const absl::StatusOr<v1::ExplainLaunchResponse> explained =
      owner.Call(&v1::Guests::Stub::ExplainLaunch, owner.guests(), request);

  ASSERT_THAT(explained, IsOk());
  ASSERT_EQ(explained->plugins_size(), 3) << explained->DebugString();
  EXPECT_EQ(explained->plugins(0).verdict(), "patch");
  EXPECT_EQ(explained->plugins(1).stage(), "prepare");
  EXPECT_EQ(explained->plugins(2).stage(), "argv");
  EXPECT_EQ(explained->plugins(2).verdict(), "allow");
  EXPECT_EQ(explained->refusals_size(), 0) << explained->DebugString();
}

TEST_F(AgentPluginTest, WithoutItsPluginAHostLaunchesNothingAndStopsAll) {
  UseHostPlugin();
  ASSERT_THAT(lab_->Start(), IsOk());
  const Caller owner = lab_->As("user/tenant-a");

  const auto too_early = owner.Launch(Launch("a", "user/tenant-a", "x"));
  plugin_->Start();
  const absl::Status served =
      owner.Finish(owner.Launch(Launch("a", "user/tenant-a", "x")));
  plugin_->Kill();
  const auto too_late = owner.Launch(Launch("b", "user/tenant-a", "x"));
  const absl::Status stopped = owner.Finish(owner.Stop("a", true));
  const absl::Status not_started = owner.Finish(owner.Start("a"));
  plugin_->Start();
  const absl::Status started = owner.Finish(owner.Start("a"));

  EXPECT_THAT(too_early, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(too_early, HasReason(reason::kPluginFailed));
  EXPECT_THAT(served, IsOk());
  EXPECT_THAT(too_late, HasReason(reason::kPluginFailed));
  EXPECT_THAT(stopped, IsOk());
  EXPECT_THAT(not_started, HasReason(reason::kPluginFailed));
  EXPECT_THAT(started, IsOk());
}

TEST_F(AgentPluginTest, AnOwnersPluginHasASayInThatOwnersGuestsOnly) {
  UseOwnerPlugin();
  ASSERT_THAT(lab_->Start(), IsOk());
  plugin_->Start();
  const Caller a = lab_->As("user/tenant-a");
  const Caller b = lab_->As("user/tenant-b");

  const auto refused = a.Launch(Launch("a", "user/tenant-a", ""));
  ASSERT_THAT(a.Finish(a.Launch(Launch("a", "user/tenant-a", "x"))), IsOk());
  ASSERT_THAT(b.Finish(b.Launch(Launch("b", "user/tenant-b", ""))), IsOk());

  EXPECT_THAT(refused, HasReason(reason::kPluginDenied));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("plugin 'user/tenant-a/limits'"));
  EXPECT_EQ(a.Get("a")->spec().memory_bytes(), PluginProcess::kMaxMemoryBytes);
  EXPECT_EQ(b.Get("b")->spec().memory_bytes(), kAskedBytes);
}

TEST_F(AgentPluginTest, AnOwnersPluginThatHangsHoldsUpNobodyElse) {
  UseOwnerPlugin();
  ASSERT_THAT(lab_->Start(), IsOk());
  plugin_->Start();
  const Caller a = lab_->As("user/tenant-a");
  const Caller b = lab_->As("user/tenant-b");
  const Caller admin = lab_->As("user/admin");
  ASSERT_THAT(a.Finish(a.Launch(Launch("a", "user/tenant-a", "x"))), IsOk());

  plugin_->Freeze();
  const absl::Time start = absl::Now();
  const auto late = a.Launch(Launch("late", "user/tenant-a", "x"));
  const absl::Duration took = absl::Now() - start;
  const absl::Status other =
      b.Finish(b.Launch(Launch("b", "user/tenant-b", "")));
  const absl::Status stopped = admin.Finish(admin.Stop("a", true));
  plugin_->Thaw();

  EXPECT_THAT(late, StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("no answer within 2s")));
  EXPECT_GE(took, absl::Seconds(2));
  EXPECT_THAT(other, IsOk());
  EXPECT_THAT(stopped, IsOk());
  EXPECT_THAT(a.Finish(a.Start("a")), IsOk());
}

TEST_F(AgentPluginTest, AgentThatDiesAroundAStageLaunchesOnceOrNothing) {
  UseHostPlugin();
  plugin_->Start();
  for (const char* const failpoint :
       {"agent.launch.admitted", "agent.launch.begin", "agent.launch.prepared",
        "agent.driver.spawn", "agent.launch.launched"}) {
    SCOPED_TRACE(failpoint);
    lab_->ArmFailpoint(failpoint);
    ASSERT_THAT(lab_->Start(), IsOk());
    const v1::LaunchGuestRequest request = Launch("web", "user/tenant-a", "x");
    const auto begun = lab_->AsRoot().Launch(request);
    ASSERT_TRUE(Eventually([&] { return lab_->FailpointReached(); }));
    ASSERT_THAT(lab_->AwaitAgent(), IsOk());

    const Caller caller = lab_->AsRoot();
    EXPECT_TRUE(Eventually([&] { return NothingIsUnfinished(caller); }));
    CheckWholeOrGone(*lab_, caller);
    EXPECT_THAT(caller.Finish(caller.Launch(request)), IsOk());
    const absl::StatusOr<std::vector<v1::Guest>> guests = caller.List();
    ASSERT_THAT(guests, IsOk());
    ASSERT_EQ(guests->size(), 1u);
    EXPECT_EQ(guests->front().spec().memory_bytes(),
              PluginProcess::kMaxMemoryBytes);
    EXPECT_TRUE(guests->front().has_process());
    EXPECT_THAT(caller.Finish(caller.Stop("web", true)), IsOk());
    EXPECT_THAT(caller.Finish(caller.Delete("web")), IsOk());
    lab_->CheckNothingLeft();
    lab_->KillAll();
  }
  ASSERT_THAT(lab_->Start(), IsOk());
}

}  // namespace
}  // namespace innkeeper
