#include "agent/spawner/launcher_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/launcher/protocol.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::SizeIs;

// The test is the launcher.
class LauncherClientTest : public testing::Test {
 protected:
  explicit LauncherClientTest(absl::Duration deadline = absl::Seconds(30)) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    launcher_.reset(ends[0]);
    client_ =
        std::make_unique<LauncherClient>(&loop_, UniqueFd(ends[1]), deadline);
  }

  Message Receive() {
    buffer_.assign(kMaxMessageBytes + 1, '\0');
    const ssize_t got =
        recv(launcher_.get(), buffer_.data(), buffer_.size(), 0);
    EXPECT_GT(got, 0);
    buffer_.resize(static_cast<size_t>(got));
    const auto message = DecodeMessage(buffer_);
    EXPECT_THAT(message, IsOk());
    return message.value_or(Message());
  }
  void Answer(const Message& request, const absl::Status& status,
              const std::string& body) {
    SendRaw(EncodeMessage(request.type | kReplyBit, request.request_id,
                          EncodeReply(status, body)));
  }
  void SendRaw(const std::string& datagram) {
    EXPECT_EQ(send(launcher_.get(), datagram.data(), datagram.size(), 0),
              static_cast<ssize_t>(datagram.size()));
  }

  EventLoop loop_{"test"};
  UniqueFd launcher_;
  std::string buffer_;
  std::unique_ptr<LauncherClient> client_;
};

// Waits for the answer of one call.
struct Waiter {
  absl::Notification answered;
  absl::Status status = absl::UnknownError("unanswered");

  StatusCompletion Completion() {
    return [this](absl::Status result) {
      status = std::move(result);
      answered.Notify();
    };
  }
  absl::Status Wait() {
    EXPECT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(10)));
    return status;
  }
};

TEST_F(LauncherClientTest, AnswersFindTheirRequestsInAnyOrder) {
  Waiter first, second;
  client_->Kill("a", first.Completion());
  client_->Kill("b", second.Completion());
  const Message kill_a = Receive();
  const uint64_t a = kill_a.request_id;
  EXPECT_THAT(DecodeGuestRequest(kill_a.payload), IsOkAndHolds("a"));
  const Message kill_b = Receive();

  Answer(kill_b, absl::OkStatus(), "");
  Message again = kill_b;
  again.request_id = a;
  Answer(again,
         Error(absl::StatusCode::kNotFound, reason::kGuestNotFound, "no a"),
         "");

  EXPECT_THAT(first.Wait(), HasReason(reason::kGuestNotFound));
  EXPECT_THAT(second.Wait(), IsOk());
}

TEST_F(LauncherClientTest, LostLauncherAnswersWhatWaitsAndWhatComesLater) {
  Waiter waiting, later;
  absl::Notification lost;
  client_->SetDisconnectHandler([&] { lost.Notify(); });
  client_->Kill("a", waiting.Completion());
  Receive();

  launcher_.reset();

  EXPECT_THAT(waiting.Wait(), HasReason(reason::kLauncherUnavailable));
  EXPECT_TRUE(lost.WaitForNotificationWithTimeout(absl::Seconds(10)));
  client_->Release("a", later.Completion());
  EXPECT_THAT(later.Wait(), StatusIs(absl::StatusCode::kUnavailable));
  absl::Notification told_late;
  client_->SetDisconnectHandler([&] { told_late.Notify(); });
  EXPECT_TRUE(told_late.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(LauncherClientTest, ThatTheLauncherIsLostIsToldBeforeWhatWaits) {
  std::atomic<bool> lost{false};
  std::atomic<bool> lost_before{false};
  absl::Notification answered;
  client_->SetDisconnectHandler([&] { lost = true; });
  client_->Kill("a", [&](const absl::Status&) {
    lost_before = lost.load();
    answered.Notify();
  });
  Receive();

  launcher_.reset();

  ASSERT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_TRUE(lost_before);
}

TEST_F(LauncherClientTest, GarbageFromTheOtherSideClosesTheConnection) {
  Waiter waiting;
  client_->Kill("a", waiting.Completion());
  Receive();

  SendRaw("garbage");

  EXPECT_THAT(waiting.Wait(), HasReason(reason::kLauncherUnavailable));
}

TEST_F(LauncherClientTest, AnswerOfAnotherTypeClosesTheConnection) {
  Waiter waiting;
  client_->Kill("a", waiting.Completion());
  Message request = Receive();
  request.type = static_cast<uint32_t>(RequestType::kRelease);

  Answer(request, absl::OkStatus(), "");

  EXPECT_THAT(waiting.Wait(), HasReason(reason::kLauncherUnavailable));
}

TEST_F(LauncherClientTest, ListIsAskedForUntilThereIsNoMore) {
  absl::Notification answered;
  absl::StatusOr<std::vector<KnownGuest>> known;
  client_->List([&](absl::StatusOr<std::vector<KnownGuest>> result) {
    known = std::move(result);
    answered.Notify();
  });
  std::vector<KnownGuest> guests(3);
  for (int i = 0; i < 3; ++i) {
    guests[i].guest = std::string(1, static_cast<char>('a' + i));
    guests[i].manifest = std::string(kMaxManifestBytes, 'm');
  }

  for (const char* after : {"", "a", "b"}) {
    const Message request = Receive();
    EXPECT_THAT(DecodeGuestRequest(request.payload), IsOkAndHolds(after));
    Answer(request, absl::OkStatus(), EncodeListReply(guests));
    guests.erase(guests.begin());
  }

  ASSERT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_THAT(known, IsOkAndHolds(SizeIs(3)));
}

TEST_F(LauncherClientTest, BadPlanIsRefusedWithoutAsking) {
  Waiter waiting;
  client_->Launch(LaunchPlan(), [&](absl::StatusOr<Launched> result) {
    waiting.Completion()(result.status());
  });

  EXPECT_THAT(waiting.Wait(), HasReason(reason::kInvalidRequest));
}

TEST_F(LauncherClientTest, DestructionAnswersWhatWaits) {
  Waiter waiting;
  client_->Kill("a", waiting.Completion());

  client_.reset();

  EXPECT_THAT(waiting.Wait(), HasReason(reason::kLauncherUnavailable));
}

class ImpatientClientTest : public LauncherClientTest {
 protected:
  ImpatientClientTest() : LauncherClientTest(absl::Milliseconds(20)) {}
};

TEST_F(ImpatientClientTest, SilentLauncherIsGivenUpAndALateAnswerDropped) {
  Waiter silent, next;
  client_->Kill("a", silent.Completion());
  const Message request = Receive();

  EXPECT_THAT(silent.Wait(), HasReason(reason::kDeadlineExceeded));
  Answer(request, absl::OkStatus(), "");
  client_->Kill("b", next.Completion());
  Answer(Receive(), absl::OkStatus(), "");
  EXPECT_THAT(next.Wait(),
              testing::AnyOf(IsOk(), HasReason(reason::kDeadlineExceeded)));
}

TEST_F(ImpatientClientTest, WhatWasGivenUpUnsentIsNeverSent) {
  constexpr int kRequests = 800;
  std::vector<Waiter> waiters(kRequests);
  for (Waiter& waiter : waiters) {
    client_->Kill("a", waiter.Completion());
  }
  for (Waiter& waiter : waiters) {
    EXPECT_THAT(waiter.Wait(), HasReason(reason::kDeadlineExceeded));
  }

  // What the socket took before anything was given up is there; then nothing.
  int received = 0;
  pollfd waiting = {launcher_.get(), POLLIN, 0};
  while (poll(&waiting, 1, 100) == 1) {
    Receive();
    ++received;
  }
  EXPECT_GT(received, 0);
  EXPECT_LT(received, kRequests);
}

}  // namespace
}  // namespace innkeeper
