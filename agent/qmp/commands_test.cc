#include "agent/qmp/commands.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/qmp/run_state.h"
#include "agent/qmp/session.h"
#include "agent/qmp/testing/await.h"
#include "agent/qmp/testing/fake_qmp_server.h"
#include "agent/qmp/testing/test_session.h"
#include "agent/qmp/version.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

constexpr absl::Duration kTimeout = absl::Seconds(20);

class CommandsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(session_.WaitReady().has_value()); }

  template <typename T>
  absl::StatusOr<T> Ask(void (*query)(QmpSession*, absl::Duration,
                                      Completion<T>)) {
    return Await<absl::StatusOr<T>>(&loop_, [&](Completion<T> done) {
      query(session_.session(), kTimeout, std::move(done));
    });
  }

  EventLoop loop_{"qmp"};
  FakeQmpServer server_;
  TestSession session_{&loop_, server_.Connect()};
};

TEST_F(CommandsTest, QueryStatusGivesTheRunState) {
  server_.Reply("query-status", {{"status", "io-error"}, {"running", false}});

  const absl::StatusOr<QmpStatus> status = Ask(QueryStatus);

  ASSERT_THAT(status, IsOk());
  EXPECT_FALSE(status->running);
  EXPECT_EQ(status->state, RunState::kIoError);
}

TEST_F(CommandsTest, RunStateOfALaterQemuIsOther) {
  server_.Reply("query-status", {{"status", "dreaming"}, {"running", true}});

  const absl::StatusOr<QmpStatus> status = Ask(QueryStatus);

  ASSERT_THAT(status, IsOk());
  EXPECT_TRUE(status->running);
  EXPECT_EQ(status->state, RunState::kOther);
}

TEST_F(CommandsTest, QueryVersionNameUuidAndKvmGiveTheirValues) {
  server_.Reply("query-version",
                {{"qemu", {{"major", 10}, {"minor", 0}, {"micro", 2}}},
                 {"package", "Debian\n1"}});
  server_.Reply("query-name", {{"name", "web"}});
  server_.Reply("query-uuid",
                {{"UUID", "3F2504E0-4F89-41D3-9A0C-0305E82C3301"}});
  server_.Reply("query-kvm", {{"enabled", false}, {"present", true}});

  const absl::StatusOr<QmpVersion> version = Ask(QueryVersion);
  ASSERT_THAT(version, IsOk());
  EXPECT_EQ(version->major, 10);
  EXPECT_EQ(version->micro, 2);
  EXPECT_EQ(version->package, "Debian?1");
  EXPECT_THAT(Ask(QueryName), IsOkAndHolds(std::string("web")));
  EXPECT_THAT(
      Ask(QueryUuid),
      IsOkAndHolds(std::string("3f2504e0-4f89-41d3-9a0c-0305e82c3301")));
  const absl::StatusOr<QmpKvm> kvm = Ask(QueryKvm);
  ASSERT_THAT(kvm, IsOk());
  EXPECT_FALSE(kvm->enabled);
  EXPECT_TRUE(kvm->present);
}

TEST_F(CommandsTest, GuestWithoutANameHasTheEmptyName) {
  server_.Reply("query-name", json::object());

  EXPECT_THAT(Ask(QueryName), IsOkAndHolds(std::string()));
}

TEST_F(CommandsTest, NameIsBoundedAndPrintable) {
  server_.Reply("query-name", {{"name", "\x1b" + std::string(1000, 'n')}});

  const absl::StatusOr<std::string> name = Ask(QueryName);

  ASSERT_THAT(name, IsOk());
  EXPECT_THAT(*name, SizeIs(256));
  EXPECT_EQ((*name)[0], '?');
}

TEST_F(CommandsTest, ValuesOfAnotherShapeAreRefused) {
  const std::vector<json> wrong = {
      1,
      nullptr,
      "x",
      json::array({1}),
      {{"status", 1}, {"running", true}},
      {{"status", "running"}, {"running", 1}},
      {{"UUID", "../../etc/passwd"}},
      {{"name", 1}},
      {{"enabled", true}},
      {{"qemu", {{"major", -1}, {"minor", 0}, {"micro", 0}}}},
  };
  for (const json& value : wrong) {
    SCOPED_TRACE(value.dump());
    for (const char* command : {"query-status", "query-version", "query-uuid",
                                "query-kvm", "query-name"}) {
      server_.Reply(command, value);
    }
    EXPECT_THAT(Ask(QueryStatus), HasReason(reason::kMonitorProtocol));
    EXPECT_THAT(Ask(QueryVersion), HasReason(reason::kMonitorProtocol));
    EXPECT_THAT(Ask(QueryUuid), HasReason(reason::kMonitorProtocol));
    EXPECT_THAT(Ask(QueryKvm), HasReason(reason::kMonitorProtocol));
  }
  server_.Reply("query-name", {{"name", 1}});
  EXPECT_THAT(Ask(QueryName), StatusIs(absl::StatusCode::kUnavailable,
                                       HasSubstr("'query-name' returned")));
  EXPECT_EQ(session_.closed_calls(), 0);
}

TEST_F(CommandsTest, EachActionSendsItsCommand) {
  struct Case {
    void (*act)(QmpSession*, absl::Duration, StatusCompletion);
    std::string command;
  };
  const std::vector<Case> cases = {{Cont, "cont"},
                                   {Stop, "stop"},
                                   {SystemPowerdown, "system_powerdown"},
                                   {SystemReset, "system_reset"},
                                   {Quit, "quit"}};
  for (const Case& one : cases) {
    SCOPED_TRACE(one.command);
    server_.Reply(one.command, json::object());
    EXPECT_THAT(Await<absl::Status>(&loop_,
                                    [&](StatusCompletion done) {
                                      one.act(session_.session(), kTimeout,
                                              std::move(done));
                                    }),
                IsOk());
    EXPECT_EQ(server_.WaitForCommands(1).back()["execute"], one.command);
  }
}

TEST_F(CommandsTest, RefusedActionGivesTheReasonOfQemu) {
  server_.Fail("cont", "GenericError", "Resetting the guest is required");

  const absl::Status status =
      Await<absl::Status>(&loop_, [&](StatusCompletion done) {
        Cont(session_.session(), kTimeout, std::move(done));
      });

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("Resetting the guest")));
  EXPECT_THAT(status, HasReason(reason::kMonitorCommandFailed));
}

TEST_F(CommandsTest, SetActionSaysWhatResetAndShutdownMean) {
  server_.Reply("set-action", json::object());

  EXPECT_THAT(Await<absl::Status>(&loop_,
                                  [&](StatusCompletion done) {
                                    SetAction(session_.session(),
                                              RebootAction::kShutdown,
                                              ShutdownAction::kPause, kTimeout,
                                              std::move(done));
                                  }),
              IsOk());

  EXPECT_EQ(server_.WaitForCommands(1).at(0)["arguments"],
            json({{"reboot", "shutdown"}, {"shutdown", "pause"}}));
}

TEST(RunStateTest, EveryNameOfQemuMapsToItsStateAndBack) {
  for (const char* name : {"colo", "debug", "finish-migrate", "guest-panicked",
                           "inmigrate", "internal-error", "io-error", "paused",
                           "postmigrate", "prelaunch", "restore-vm", "running",
                           "save-vm", "shutdown", "suspended", "watchdog"}) {
    SCOPED_TRACE(name);
    EXPECT_NE(ParseRunState(name), RunState::kOther);
    EXPECT_EQ(RunStateName(ParseRunState(name)), name);
  }
  EXPECT_EQ(ParseRunState("other"), RunState::kOther);
  EXPECT_EQ(RunStateName(RunState::kOther), "other");
}

}  // namespace
}  // namespace innkeeper
