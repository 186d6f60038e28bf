#include "rpc/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "rpc/pace.h"
#include "rpc/token_bucket.h"

namespace innkeeper {
namespace {

class RelayTest : public testing::Test {
 protected:
  void SetUp() override {
    int outer[2];
    int inner[2];
    constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
    ASSERT_EQ(socketpair(AF_UNIX, kType, 0, outer), 0);
    ASSERT_EQ(socketpair(AF_UNIX, kType, 0, inner), 0);
    client_ = UniqueFd(outer[0]);
    service_ = UniqueFd(inner[0]);
    fcntl(outer[1], F_SETFL, O_NONBLOCK);
    fcntl(inner[1], F_SETFL, O_NONBLOCK);
    pace_.SetUnlimited();
    Start(UniqueFd(outer[1]), UniqueFd(inner[1]), &pace_);
  }
  void TearDown() override {
    loop_.PostAndWait([this] { relay_.reset(); });
  }
  void Start(UniqueFd outer, UniqueFd inner, Pace* pace) {
    loop_.PostAndWait([&] {
      relay_ = std::make_unique<Relay>(&loop_, std::move(outer),
                                       std::move(inner), pace, scratch_.data(),
                                       [this] { closed_.Notify(); });
      relay_->Start();
    });
  }

  // Everything until the end, or `limit` bytes.
  static std::string ReadAll(const UniqueFd& fd, size_t limit = SIZE_MAX) {
    std::string all;
    char buffer[65536];
    while (all.size() < limit) {
      pollfd ready{fd.get(), POLLIN, 0};
      if (poll(&ready, 1, 10000) != 1) break;
      const ssize_t got =
          read(fd.get(), buffer, std::min(sizeof(buffer), limit - all.size()));
      if (got <= 0) break;
      all.append(buffer, static_cast<size_t>(got));
    }
    return all;
  }
  static void WriteAll(const UniqueFd& fd, const std::string& text) {
    size_t at = 0;
    while (at < text.size()) {
      const ssize_t sent =
          send(fd.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return;
      at += static_cast<size_t>(sent);
    }
  }
  static std::string Pattern(size_t size) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 % 251);
    return text;
  }

  EventLoop loop_{"relay_test"};
  std::vector<char> scratch_ = std::vector<char>(Relay::kChunk);
  Pace pace_{std::make_shared<TokenBucket>()};
  UniqueFd client_;
  UniqueFd service_;
  absl::Notification closed_;
  std::unique_ptr<Relay> relay_;
};

TEST_F(RelayTest, BytesPassBothWays) {
  WriteAll(client_, "hello");
  EXPECT_EQ(ReadAll(service_, 5), "hello");
  WriteAll(service_, "welcome");
  EXPECT_EQ(ReadAll(client_, 7), "welcome");
}

TEST_F(RelayTest, MoreThanTheBuffersHoldArrivesWholeAtASlowReader) {
  const std::string text = Pattern(8 << 20);
  std::thread writer([&] {
    WriteAll(client_, text);
    shutdown(client_.get(), SHUT_WR);
  });
  EXPECT_TRUE(ReadAll(service_) == text);
  writer.join();
}

TEST_F(RelayTest, HalfCloseLeavesTheOtherDirectionOpen) {
  WriteAll(client_, "question");
  shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(ReadAll(service_), "question");
  WriteAll(service_, "answer");
  EXPECT_EQ(ReadAll(client_, 6), "answer");
  EXPECT_FALSE(closed_.HasBeenNotified());
  service_.reset();
  EXPECT_TRUE(closed_.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(RelayTest, EndOfEitherSideEndsTheOther) {
  service_.reset();
  EXPECT_EQ(ReadAll(client_), "");
  client_.reset();
  EXPECT_TRUE(closed_.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(RelayTest, ResetWhileTheOtherSideIsStuckEndsIt) {
  const std::string text = Pattern(4 << 20);
  std::thread writer([&] { WriteAll(client_, text); });
  EXPECT_EQ(ReadAll(service_, 1000).size(), 1000u);
  service_.reset();
  writer.join();
  EXPECT_TRUE(closed_.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(RelayTest, ClosedRelayClosesBothSides) {
  loop_.PostAndWait([this] { relay_->Close(); });
  EXPECT_EQ(ReadAll(client_), "");
  EXPECT_EQ(ReadAll(service_), "");
  EXPECT_TRUE(closed_.HasBeenNotified());
}

TEST_F(RelayTest, PaceHolds) {
  int outer[2];
  int inner[2];
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC;
  ASSERT_EQ(socketpair(AF_UNIX, kType, 0, outer), 0);
  ASSERT_EQ(socketpair(AF_UNIX, kType, 0, inner), 0);
  const UniqueFd client(outer[0]);
  const UniqueFd service(inner[0]);
  fcntl(outer[1], F_SETFL, O_NONBLOCK);
  fcntl(inner[1], F_SETFL, O_NONBLOCK);
  // 64 KiB at once, then 100 KiB in a fifth of a second.
  Pace pace(std::make_shared<TokenBucket>(500 << 10, 64 << 10), 0);
  std::unique_ptr<Relay> paced;
  loop_.PostAndWait([&] {
    paced =
        std::make_unique<Relay>(&loop_, UniqueFd(outer[1]), UniqueFd(inner[1]),
                                &pace, scratch_.data(), [] {});
    paced->Start();
  });
  const std::string text = Pattern(164 << 10);
  const absl::Time start = absl::Now();
  std::thread writer([&] { WriteAll(client, text); });
  EXPECT_TRUE(ReadAll(service, text.size()) == text);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(180));
  writer.join();
  loop_.PostAndWait([&] { paced.reset(); });
}

TEST_F(RelayTest, EndedClientStillGetsWhatTheServiceSays) {
  WriteAll(client_, "question");
  EXPECT_EQ(ReadAll(service_, 8), "question");

  loop_.PostAndWait([this] { relay_->EndClient(); });
  EXPECT_EQ(ReadAll(service_), "");
  WriteAll(service_, "answer");
  service_.reset();

  EXPECT_EQ(ReadAll(client_), "answer");
  EXPECT_TRUE(closed_.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(RelayTest, BytesOfBothSidesAreCounted) {
  WriteAll(client_, "four");
  EXPECT_EQ(ReadAll(service_, 4), "four");
  WriteAll(service_, "sixsix");
  EXPECT_EQ(ReadAll(client_, 6), "sixsix");

  uint64_t bytes = 0;
  loop_.PostAndWait([&] { bytes = relay_->bytes(); });
  EXPECT_EQ(bytes, 10u);
}

}  // namespace
}  // namespace innkeeper
