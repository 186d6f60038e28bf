#include "agent/qmp/session.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/qmp/event.h"
#include "agent/qmp/testing/fake_qmp_server.h"
#include "agent/qmp/testing/test_session.h"
#include "agent/qmp/version.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr absl::Duration kWait = absl::Seconds(20);

// The loop outlives the sessions on it.
class QmpSessionTest : public testing::Test {
 protected:
  EventLoop loop_{"qmp"};
  FakeQmpServer server_;
};

TEST_F(QmpSessionTest, GreetingAndNegotiationMakeItReady) {
  TestSession session(&loop_, server_.Connect());

  const std::optional<QmpVersion> version = session.WaitReady();

  ASSERT_TRUE(version.has_value());
  EXPECT_EQ(version->major, 7);
  EXPECT_EQ(version->minor, 2);
  EXPECT_EQ(version->micro, 22);
  EXPECT_EQ(version->package, "fake");
}

TEST_F(QmpSessionTest, CommandGivesWhatQemuReturned) {
  server_.Reply("query-status", {{"status", "running"}});
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  EXPECT_THAT(session.Run("query-status", {{"x", uint64_t{1} << 63}}),
              IsOkAndHolds(json({{"status", "running"}})));

  const std::vector<json> commands = server_.WaitForCommands(1);
  ASSERT_THAT(commands, SizeIs(1));
  EXPECT_EQ(commands[0]["arguments"]["x"].get<uint64_t>(), uint64_t{1} << 63);
}

TEST_F(QmpSessionTest, RefusalOfQemuIsAnErrorWithItsClassAndText) {
  server_.Fail("device_del", "DeviceNotFound",
               absl::StrCat("Device \x1b[1m", std::string(5000, 'x')));
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  const absl::StatusOr<json> answer = session.Run("device_del", {{"id", "a"}});

  EXPECT_THAT(answer, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("refused 'device_del': Device ?[1m")));
  EXPECT_THAT(answer, HasReason(reason::kMonitorCommandFailed));
  const ErrorDetails details = DetailsOf(answer.status());
  EXPECT_EQ(details.metadata.at("command"), "device_del");
  EXPECT_EQ(details.metadata.at("class"), "DeviceNotFound");
  EXPECT_THAT(details.metadata.at("desc"), SizeIs(1024));
}

TEST_F(QmpSessionTest, AnswersReachTheirCallersInAnyOrder) {
  server_.Ignore("first");
  server_.Ignore("second");
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  std::vector<std::string> order;
  absl::Notification both;
  const auto record = [&](absl::StatusOr<json> answer) {
    ASSERT_THAT(answer, IsOk());
    order.push_back(answer->get<std::string>());
    if (order.size() == 2) both.Notify();
  };
  loop_.PostAndWait([&] {
    session.session()->Execute("first", nullptr, kWait, record);
    session.session()->Execute("second", nullptr, kWait, record);
  });

  const std::vector<json> sent = server_.WaitForCommands(2);
  ASSERT_THAT(sent, SizeIs(2));
  for (const size_t which : {1, 0}) {
    server_.Send(absl::StrCat(
        json({{"id", sent[which]["id"]}, {"return", sent[which]["execute"]}})
            .dump(),
        "\n"));
  }

  ASSERT_TRUE(both.WaitForNotificationWithTimeout(kWait));
  EXPECT_THAT(order, ElementsAre("second", "first"));
}

TEST_F(QmpSessionTest, EventsArriveInTheirOrderWithTimeAndData) {
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  server_.SendEvent("SHUTDOWN", {{"guest", true}});
  server_.Send(R"({"event": "STOP", "timestamp": )"
               R"({"seconds": -1, "microseconds": -1}})"
               "\n");

  const std::vector<QmpEvent> events = session.WaitEvents(2);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].name, "SHUTDOWN");
  EXPECT_EQ(events[0].data, json({{"guest", true}}));
  EXPECT_EQ(events[0].time,
            absl::FromUnixSeconds(1800000000) + absl::Microseconds(5));
  EXPECT_EQ(events[1].name, "STOP");
  EXPECT_EQ(events[1].data, json::object());
  EXPECT_EQ(events[1].time, absl::InfinitePast());
}

TEST_F(QmpSessionTest,
       UnansweredCommandFailsAtItsDeadlineAndALateAnswerIsDropped) {
  server_.Ignore("slow");
  server_.Reply("quick", 1);
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  const absl::StatusOr<json> late =
      session.Run("slow", nullptr, absl::Milliseconds(20));

  EXPECT_THAT(late, StatusIs(absl::StatusCode::kDeadlineExceeded,
                             HasSubstr("'slow' within 20ms")));
  EXPECT_THAT(late, HasReason(reason::kGuestUnresponsive));
  const std::vector<json> sent = server_.WaitForCommands(1);
  ASSERT_THAT(sent, SizeIs(1));
  server_.Send(
      absl::StrCat(R"({"return": {}, "id": )", sent[0]["id"].dump(), "}\n"));
  EXPECT_THAT(session.Run("quick"), IsOkAndHolds(json(1)));
  EXPECT_EQ(session.closed_calls(), 0);
}

TEST_F(QmpSessionTest, HalfALineThenSilenceCostsOnlyTheDeadline) {
  server_.ReplyRaw("query-status", R"({"return": {"status)");
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  EXPECT_THAT(session.Run("query-status", nullptr, absl::Milliseconds(20)),
              HasReason(reason::kGuestUnresponsive));

  // The rest comes in the end.
  server_.Send("\": 1}, \"id\": 1}\n");
  server_.Reply("query-status", 2);
  EXPECT_THAT(session.Run("query-status"), IsOkAndHolds(json(2)));
}

TEST_F(QmpSessionTest, CommandsBeforeReadyAreRefused) {
  server_.SetGreeting("");
  TestSession session(&loop_, server_.Connect());

  EXPECT_THAT(session.Run("query-status"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("not ready")));
}

TEST_F(QmpSessionTest, ArgumentsThatCannotBeSentAreRefused) {
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  EXPECT_THAT(session.Run("x", {{"a", "\xff"}}),
              HasReason(reason::kInvalidRequest));
  EXPECT_THAT(session.Run("x"), HasReason(reason::kMonitorCommandFailed));
}

TEST_F(QmpSessionTest, HangUpFailsEachUnansweredCommandOnce) {
  server_.Ignore("a");
  server_.Ignore("b");
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  std::vector<absl::Status> answers;
  const auto record = [&](const absl::StatusOr<json>& answer) {
    answers.push_back(answer.status());
  };
  loop_.PostAndWait([&] {
    session.session()->Execute("a", nullptr, kWait, record);
    session.session()->Execute("b", nullptr, kWait, record);
  });
  ASSERT_THAT(server_.WaitForCommands(2), SizeIs(2));

  server_.HangUp();

  EXPECT_THAT(session.WaitClosed(), HasReason(reason::kMonitorClosed));
  EXPECT_THAT(session.Run("a"), HasReason(reason::kMonitorClosed));
  EXPECT_THAT(answers, SizeIs(2));
  EXPECT_THAT(answers, Each(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_THAT(answers, Each(HasReason(reason::kMonitorClosed)));
  EXPECT_EQ(session.closed_calls(), 1);
}

TEST_F(QmpSessionTest, CloseEndsTheConnectionAndTellsOnce) {
  server_.Ignore("a");
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  int answers = 0;

  loop_.PostAndWait([&] {
    session.session()->Execute("a", nullptr, kWait,
                               [&](const absl::StatusOr<json>&) { ++answers; });
    session.session()->Close();
    session.session()->Close();
  });

  EXPECT_EQ(answers, 1);
  EXPECT_EQ(session.closed_calls(), 1);
  EXPECT_TRUE(server_.WaitForHangUp(kWait));
}

TEST_F(QmpSessionTest, SilentMonitorFailsTheHandshakeInTime) {
  server_.SetGreeting("");
  QmpSession::Options options;
  options.handshake_timeout = absl::Milliseconds(30);
  TestSession session(&loop_, server_.Connect(), options);

  const absl::Status closed = session.WaitClosed();

  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kDeadlineExceeded,
                               HasSubstr("no QMP handshake in 30ms")));
  EXPECT_THAT(closed, HasReason(reason::kGuestUnresponsive));
}

TEST_F(QmpSessionTest, RefusedNegotiationEndsTheSession) {
  server_.Fail("qmp_capabilities", "GenericError", "no");
  TestSession session(&loop_, server_.Connect());

  EXPECT_THAT(session.WaitClosed(),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("refused qmp_capabilities: no")));
}

TEST_F(QmpSessionTest, DestructionFailsUnansweredCommandsAndTellsNobodyElse) {
  server_.Ignore("a");
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  std::vector<absl::Status> answers;

  loop_.PostAndWait([&] {
    session.session()->Execute("a", nullptr, kWait,
                               [&](const absl::StatusOr<json>& answer) {
                                 answers.push_back(answer.status());
                               });
    session.Destroy();
    EXPECT_THAT(answers, SizeIs(1));
  });

  EXPECT_THAT(answers, Each(HasReason(reason::kMonitorClosed)));
  EXPECT_EQ(session.closed_calls(), 0);
  EXPECT_TRUE(server_.WaitForHangUp(kWait));
}

TEST_F(QmpSessionTest, SessionMayBeDestroyedByAnEventAndSeesNoMore) {
  TestSession* self = nullptr;
  TestSession session(&loop_, server_.Connect(), QmpSession::Options(),
                      [&](const QmpEvent&) { self->Destroy(); });
  self = &session;
  ASSERT_TRUE(session.WaitReady().has_value());

  // In one write, so that the second is read together with the first.
  const std::string event =
      R"({"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}})"
      "\n";
  server_.Send(absl::StrCat(event, event));

  EXPECT_TRUE(server_.WaitForHangUp(kWait));
  loop_.PostAndWait([] {});
  EXPECT_EQ(session.events(), 1u);
  EXPECT_EQ(session.closed_calls(), 0);
}

TEST_F(QmpSessionTest, SessionMayBeDestroyedByItsCompletions) {
  server_.Ignore("b");
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  int answers = 0;
  const auto destroy = [&](const absl::StatusOr<json>&) {
    ++answers;
    session.Destroy();
  };

  loop_.PostAndWait([&] {
    // Both are unanswered when the first ends the session.
    session.session()->Execute("b", nullptr, absl::Milliseconds(10), destroy);
    session.session()->Execute("b", nullptr, kWait, destroy);
  });

  EXPECT_TRUE(server_.WaitForHangUp(kWait));
  loop_.PostAndWait([] {});
  EXPECT_EQ(answers, 2);
}

TEST_F(QmpSessionTest, SessionMayBeDestroyedWhileItCloses) {
  server_.Ignore("b");
  TestSession session(&loop_, server_.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  int answers = 0;
  loop_.PostAndWait([&] {
    for (int i = 0; i < 3; ++i) {
      session.session()->Execute("b", nullptr, kWait,
                                 [&](const absl::StatusOr<json>&) {
                                   ++answers;
                                   session.Destroy();
                                 });
    }
    session.session()->Close();
  });

  EXPECT_EQ(answers, 3);
  EXPECT_EQ(session.closed_calls(), 0) << "destroyed before it was its turn";
}

struct HostileCase {
  std::string name;
  std::string bytes;
  std::string complaint;
};

std::string NameOf(const testing::TestParamInfo<HostileCase>& info) {
  return info.param.name;
}

// Bytes that end a session, with the guest's commands unanswered.
class HostileMonitorTest : public testing::TestWithParam<HostileCase> {};

TEST_P(HostileMonitorTest, SessionEndsWithAProtocolError) {
  EventLoop loop("qmp");
  FakeQmpServer server;
  server.ReplyRaw("query-status", GetParam().bytes);
  TestSession session(&loop, server.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  EXPECT_THAT(session.Run("query-status"), HasReason(reason::kMonitorClosed));

  const absl::Status closed = session.WaitClosed();
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr(GetParam().complaint)));
  EXPECT_THAT(closed, HasReason(reason::kMonitorProtocol));
  EXPECT_EQ(session.closed_calls(), 1);
  EXPECT_TRUE(server.WaitForHangUp(kWait));
}

INSTANTIATE_TEST_SUITE_P(
    Bytes, HostileMonitorTest,
    testing::ValuesIn(std::vector<HostileCase>{
        {"Garbage", "hello\n", "not JSON: 'hello'"},
        {"Nested", std::string(100000, '[') + "\n", "nested deeper"},
        {"Endless", std::string(5 << 20, 'x'), "longer than"},
        {"WrongId", "{\"return\": {}, \"id\": 99}\n", "answered 99"},
        {"NegotiationAgain", "{\"return\": {}, \"id\": 0}\n", "answered 0"},
        {"NegotiationFailsLate",
         R"({"error": {"class": "a", "desc": "b"}, "id": 0})"
         "\n",
         "answered 0"},
        {"NoId", "{\"return\": {}}\n", "without the id"},
        {"StringId", "{\"return\": {}, \"id\": \"1\"}\n", "without the id"},
        {"NegativeId", "{\"return\": {}, \"id\": -1}\n", "without the id"},
        {"ErrorWithoutId",
         R"({"error": {"class": "a", "desc": "b"}})"
         "\n",
         "without the id"},
        {"ErrorWithoutText",
         R"({"error": {"class": "a"}, "id": 1})"
         "\n",
         "no 'desc'"},
        {"ErrorIsText",
         R"({"error": "x", "id": 1})"
         "\n",
         "no object"},
        {"Both",
         R"({"return": {}, "error": {}, "id": 1})"
         "\n",
         "exactly one"},
        {"Neither", "{}\n", "exactly one"},
        {"GreetingAgain", std::string(FakeQmpServer::kGreeting),
         "greeted twice"},
        {"EventWithoutTime", "{\"event\": \"A\"}\n", "no timestamp"},
        {"EventOfNoTime",
         R"({"event": "A", "timestamp": {"seconds": 1, "microseconds": -2}})"
         "\n",
         "no time"},
        {"EventAtTheEndOfTime",
         R"({"event": "A", "timestamp": {"seconds": 18446744073709551615, )"
         R"("microseconds": 0}})"
         "\n",
         "no time"},
        {"EventWithoutName",
         R"({"event": "", "timestamp": {"seconds": 1, "microseconds": 2}})"
         "\n",
         "proper name"},
        {"EventNameForged",
         R"({"event": "A\nB", "timestamp": {"seconds": 1, "microseconds": 2}})"
         "\n",
         "proper name"},
        {"EventData",
         R"({"event": "A", "timestamp": {"seconds": 1, "microseconds": 2}, )"
         R"("data": 1})"
         "\n",
         "no object"},
    }),
    NameOf);

// What a monitor may not say first.
class HostileGreetingTest : public testing::TestWithParam<HostileCase> {};

TEST_P(HostileGreetingTest, SessionEndsWithAProtocolError) {
  EventLoop loop("qmp");
  FakeQmpServer server;
  server.SetGreeting(GetParam().bytes);
  TestSession session(&loop, server.Connect());

  const absl::Status closed = session.WaitClosed();

  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr(GetParam().complaint)));
  EXPECT_THAT(closed, HasReason(reason::kMonitorProtocol));
  EXPECT_FALSE(session.WaitReady().has_value());
}

INSTANTIATE_TEST_SUITE_P(
    Bytes, HostileGreetingTest,
    testing::ValuesIn(std::vector<HostileCase>{
        {"AnswerFirst", "{\"return\": {}, \"id\": 0}\n", "before its greeting"},
        {"EventFirst",
         R"({"event": "A", "timestamp": {"seconds": 1, "microseconds": 2}})"
         "\n",
         "before its greeting"},
        {"OtherProtocol", "SSH-2.0-OpenSSH_9.2p1\r\n", "not JSON"},
        {"NoVersion", "{\"QMP\": {}}\n", "no QEMU version"},
        {"OddVersion",
         R"({"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, )"
         R"("major": -7}}}})"
         "\n",
         "no QEMU version"},
    }),
    NameOf);

}  // namespace
}  // namespace innkeeper
