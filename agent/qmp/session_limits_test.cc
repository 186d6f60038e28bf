// What a hostile or slow monitor may cost, and how many sessions a loop bears.
#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/qmp/session.h"
#include "agent/qmp/testing/fake_qmp_server.h"
#include "agent/qmp/testing/test_session.h"
#include "agent/qmp/version.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr absl::Duration kWait = absl::Seconds(20);
constexpr char kEvent[] =
    R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RTC_CHANGE"})"
    "\r\n";

int ThreadsOfThisProcess() {
  return static_cast<int>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                    std::filesystem::directory_iterator()));
}

TEST(QmpSessionLimitsTest, OutstandingCommandsAreBounded) {
  EventLoop loop("qmp");
  FakeQmpServer server;
  server.Ignore("x");
  TestSession session(&loop, server.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  loop.PostAndWait([&] {
    for (size_t i = 0; i < QmpSession::kMaxOutstanding; ++i) {
      session.session()->Execute("x", nullptr, kWait,
                                 [](const absl::StatusOr<json>&) {});
    }
  });

  const absl::StatusOr<json> refused = session.Run("x");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused, HasReason(reason::kTooManyRequests));
}

TEST(QmpSessionLimitsTest, CommandsPastTheirDeadlineStillCount) {
  EventLoop loop("qmp");
  FakeQmpServer server;
  server.Ignore("x");
  TestSession session(&loop, server.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  absl::BlockingCounter expired(QmpSession::kMaxOutstanding);
  loop.PostAndWait([&] {
    for (size_t i = 0; i < QmpSession::kMaxOutstanding; ++i) {
      session.session()->Execute(
          "x", nullptr, absl::Milliseconds(1),
          [&](const absl::StatusOr<json>&) { expired.DecrementCount(); });
    }
  });
  expired.Wait();

  const absl::StatusOr<json> refused = session.Run("x");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable,
                                HasSubstr("left 64 commands unanswered")));
  EXPECT_THAT(refused, HasReason(reason::kGuestUnresponsive));
}

TEST(QmpSessionLimitsTest, LateAnswersMakeRoomAgain) {
  EventLoop loop("qmp");
  FakeQmpServer server;
  server.Ignore("x");
  server.Reply("y", "done");
  TestSession session(&loop, server.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  absl::BlockingCounter expired(QmpSession::kMaxOutstanding);
  loop.PostAndWait([&] {
    for (size_t i = 0; i < QmpSession::kMaxOutstanding; ++i) {
      session.session()->Execute(
          "x", nullptr, absl::Milliseconds(1),
          [&](const absl::StatusOr<json>&) { expired.DecrementCount(); });
    }
  });
  expired.Wait();

  for (const json& command :
       server.WaitForCommands(QmpSession::kMaxOutstanding)) {
    server.Send(
        absl::StrCat(R"({"return": {}, "id": )", command["id"].dump(), "}\n"));
  }
  server.SendEvent("RESUME", json::object());
  ASSERT_EQ(session.WaitEvents(1).size(), 1u);

  EXPECT_THAT(session.Run("y"), IsOkAndHolds(json("done")));
}

TEST(QmpSessionLimitsTest, MonitorThatDoesNotReadCannotFillMemory) {
  EventLoop loop("qmp");
  FakeQmpServer server;
  server.Ignore("x");
  TestSession session(&loop, server.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());
  // While it floods, the server reads nothing.
  server.Flood(kEvent);
  ASSERT_GE(session.WaitEvents(1).size(), 1u);
  const json large = {{"a", std::string(3 << 20, 'x')}};
  loop.PostAndWait([&] {
    session.session()->Execute("x", large, kWait,
                               [](const absl::StatusOr<json>&) {});
  });

  const absl::StatusOr<json> refused = session.Run("x", large);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("does not read its monitor")));
}

TEST(QmpSessionLimitsTest, LargeCommandIsSentInPartsAndLargeAnswerRead) {
  EventLoop loop("qmp");
  FakeQmpServer server;
  const std::string text(1 << 20, 'y');
  server.Reply("x", text);
  TestSession session(&loop, server.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  EXPECT_EQ(session.Run("x", {{"a", text}}).value_or(json()), json(text));

  EXPECT_EQ(server.WaitForCommands(1).at(0)["arguments"]["a"], json(text));
}

TEST(QmpSessionLimitsTest, FloodingMonitorsAreSlowedAndOthersAreNot) {
  constexpr int kFlooders = 4;
  constexpr int kCommands = 40;
  EventLoop loop("qmp");
  std::vector<std::unique_ptr<FakeQmpServer>> flooders;
  std::vector<std::unique_ptr<TestSession>> flooded;
  QmpSession::Options options;
  options.label = "flooder";
  options.burst_bytes = 256 << 10;
  const absl::Time start = absl::Now();
  std::string many;
  while (many.size() < (64 << 10)) many += kEvent;
  for (int i = 0; i < kFlooders; ++i) {
    flooders.push_back(std::make_unique<FakeQmpServer>());
    flooded.push_back(std::make_unique<TestSession>(
        &loop, flooders.back()->Connect(), options));
    ASSERT_TRUE(flooded.back()->WaitReady().has_value());
    flooders.back()->Flood(many);
  }
  FakeQmpServer server;
  server.Reply("query-status", json::object());
  TestSession session(&loop, server.Connect());
  ASSERT_TRUE(session.WaitReady().has_value());

  absl::Duration worst;
  for (int i = 0; i < kCommands; ++i) {
    const absl::Time asked = absl::Now();
    ASSERT_THAT(session.Run("query-status"), IsOk());
    worst = std::max(worst, absl::Now() - asked);
  }
  // Long enough to be paused and read again.
  constexpr int64_t kEventCost = sizeof(kEvent) - 1 + QmpSession::kMessageCost;
  const size_t enough = (options.burst_bytes + (64 << 10)) / kEventCost;
  for (const auto& one : flooded) {
    EXPECT_GE(one->WaitEvents(enough).size(), enough);
  }

  RecordProperty("worst_micros",
                 static_cast<int>(absl::ToInt64Microseconds(worst)));
  EXPECT_LT(worst, absl::Seconds(5));
  for (const auto& one : flooded) {
    const size_t events = one->events();
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    // One read of 16 KiB may be more than is left.
    constexpr int64_t kOver = (16 << 10) / sizeof(kEvent) * kEventCost;
    EXPECT_LE(events * kEventCost,
              options.burst_bytes + seconds * options.bytes_per_second + kOver);
    EXPECT_EQ(one->closed_calls(), 0);
  }
}

// Peers of many sessions, played by the test's own thread.
class ManySessionsTest : public testing::Test {
 protected:
  static constexpr int kSessions = 1000;

  void SetUp() override {
    rlimit limit;
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_GE(limit.rlim_cur, rlim_t{2 * kSessions + 100});
    // Before memory is counted.
    sockets_.reserve(kSessions);
    peers_.reserve(kSessions);
    sessions_.reserve(kSessions);
    for (int i = 0; i < kSessions; ++i) {
      int ends[2];
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
      sockets_.emplace_back(ends[0]);
      peers_.emplace_back(ends[1]);
    }
  }

  void TearDown() override {
    loop_.PostAndWait([this] { sessions_.clear(); });
  }

  // Reads one line, which must hold `part`, and writes `answer`.
  static void Expect(const UniqueFd& peer, const std::string& part,
                     const std::string& answer) {
    std::string line;
    while (line.empty() || line.back() != '\n') {
      char chunk[256];
      const ssize_t got = read(peer.get(), chunk, sizeof(chunk));
      ASSERT_GT(got, 0);
      line.append(chunk, got);
    }
    ASSERT_THAT(line, HasSubstr(part));
    ASSERT_EQ(write(peer.get(), answer.data(), answer.size()),
              static_cast<ssize_t>(answer.size()));
  }

  void StartAll() {
    absl::BlockingCounter ready(kSessions);
    loop_.PostAndWait([&] {
      for (UniqueFd& socket : sockets_) {
        QmpSession::Handlers handlers;
        handlers.ready = [&](const QmpVersion&) { ready.DecrementCount(); };
        sessions_.push_back(
            QmpSession::Start(&loop_, std::move(socket), std::move(handlers)));
      }
    });
    for (const UniqueFd& peer : peers_) {
      const std::string greeting(FakeQmpServer::kGreeting);
      ASSERT_EQ(write(peer.get(), greeting.data(), greeting.size()),
                static_cast<ssize_t>(greeting.size()));
    }
    for (const UniqueFd& peer : peers_) {
      Expect(peer, "qmp_capabilities", "{\"return\": {}, \"id\": 0}\r\n");
    }
    ready.Wait();
  }

  void SweepAll() {
    absl::BlockingCounter answered(kSessions);
    loop_.PostAndWait([&] {
      for (const auto& session : sessions_) {
        session->Execute("query-status", nullptr, kWait,
                         [&](const absl::StatusOr<json>& answer) {
                           EXPECT_THAT(answer, IsOk());
                           answered.DecrementCount();
                         });
      }
    });
    for (const UniqueFd& peer : peers_) {
      Expect(peer, "query-status", "{\"return\": {}, \"id\": 1}\r\n");
    }
    answered.Wait();
  }

  EventLoop loop_{"qmp"};
  std::vector<UniqueFd> sockets_;
  std::vector<UniqueFd> peers_;
  std::vector<std::unique_ptr<QmpSession>> sessions_;
};

TEST_F(ManySessionsTest, OneLoopServesAThousandSessionsOfAtMostFourKiBEach) {
  const int threads = ThreadsOfThisProcess();
  const size_t before = mallinfo2().uordblks;

  StartAll();
  SweepAll();

  // After whatever the sweep still had to free on the loop.
  loop_.PostAndWait([] {});
  const size_t each = (mallinfo2().uordblks - before) / kSessions;
  RecordProperty("bytes_per_idle_session", static_cast<int>(each));
  EXPECT_LE(each, 4096u);
  EXPECT_EQ(ThreadsOfThisProcess(), threads);
}

}  // namespace
}  // namespace innkeeper
