#include "agent/qmp/connector.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/qmp/testing/await.h"
#include "agent/qmp/testing/fake_qmp_server.h"
#include "agent/qmp/testing/test_session.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kWait = absl::Seconds(20);

MonitorPeer ThisProcess() { return MonitorPeer{getpid(), getuid()}; }

class ConnectMonitorTest : public testing::Test {
 protected:
  void SetUp() override {
    // Short, whatever the test's own directory is called.
    char name[] = "/tmp/qmpXXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  absl::StatusOr<UniqueFd> Connect(const std::string& path, MonitorPeer peer,
                                   absl::Duration timeout) {
    return Await<absl::StatusOr<UniqueFd>>(
        &loop_, [&](Completion<UniqueFd> done) {
          ConnectMonitor(&loop_, path, peer, timeout, std::move(done));
        });
  }

  EventLoop loop_{"qmp"};
  std::string directory_;
};

TEST_F(ConnectMonitorTest, ListeningMonitorIsReached) {
  FakeQmpServer server;
  const std::string path = directory_ + "/qmp.sock";
  ASSERT_THAT(server.Listen(path), IsOk());

  absl::StatusOr<UniqueFd> socket = Connect(path, ThisProcess(), kWait);

  ASSERT_THAT(socket, IsOk());
  EXPECT_TRUE(fcntl(socket->get(), F_GETFD) & FD_CLOEXEC);
  TestSession session(&loop_, *std::move(socket));
  EXPECT_TRUE(session.WaitReady().has_value());
}

TEST_F(ConnectMonitorTest, PeerOfAnyPidMayBeAskedFor) {
  FakeQmpServer server;
  const std::string path = directory_ + "/qmp.sock";
  ASSERT_THAT(server.Listen(path), IsOk());

  EXPECT_THAT(Connect(path, MonitorPeer{std::nullopt, getuid()}, kWait),
              IsOk());
}

TEST_F(ConnectMonitorTest, AnotherProcessIsRefused) {
  FakeQmpServer server;
  const std::string path = directory_ + "/qmp.sock";
  ASSERT_THAT(server.Listen(path), IsOk());

  const absl::StatusOr<UniqueFd> socket =
      Connect(path, MonitorPeer{getpid() + 1, getuid()}, kWait);

  EXPECT_THAT(socket, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("not to the guest's QEMU")));
  EXPECT_THAT(socket, HasReason(reason::kMonitorProtocol));
  EXPECT_EQ(DetailsOf(socket.status()).metadata.at("pid"),
            absl::StrCat(getpid()));
  EXPECT_TRUE(server.WaitForHangUp(kWait)) << "nothing is said to it";
}

TEST_F(ConnectMonitorTest, AnotherUserIsRefused) {
  FakeQmpServer server;
  const std::string path = directory_ + "/qmp.sock";
  ASSERT_THAT(server.Listen(path), IsOk());

  EXPECT_THAT(Connect(path, MonitorPeer{getpid(), getuid() + 1}, kWait),
              HasReason(reason::kMonitorProtocol));
}

TEST_F(ConnectMonitorTest, MonitorThatListensLaterIsReached) {
  const std::string path = directory_ + "/qmp.sock";
  FakeQmpServer server;
  absl::Notification connected;
  absl::StatusOr<UniqueFd> result;
  loop_.PostAndWait([&] {
    ConnectMonitor(&loop_, path, ThisProcess(), kWait,
                   [&](absl::StatusOr<UniqueFd> socket) {
                     result = std::move(socket);
                     connected.Notify();
                   });
  });
  // The first attempt has been made.
  loop_.PostAndWait([] {});
  EXPECT_FALSE(connected.HasBeenNotified());

  ASSERT_THAT(server.Listen(path), IsOk());

  ASSERT_TRUE(connected.WaitForNotificationWithTimeout(kWait));
  EXPECT_THAT(result, IsOk());
}

TEST_F(ConnectMonitorTest, AbsentMonitorIsGivenUpAtTheDeadline) {
  const absl::StatusOr<UniqueFd> socket =
      Connect(directory_ + "/qmp.sock", ThisProcess(), absl::Milliseconds(30));

  EXPECT_THAT(socket, StatusIs(absl::StatusCode::kDeadlineExceeded,
                               HasSubstr("within 30ms: No such file")));
  EXPECT_THAT(socket, HasReason(reason::kGuestUnresponsive));
}

TEST_F(ConnectMonitorTest, SocketThatNobodyServesIsGivenUpAtTheDeadline) {
  const std::string path = directory_ + "/qmp.sock";
  const UniqueFd bound(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(bound.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);

  EXPECT_THAT(
      Connect(path, ThisProcess(), absl::Milliseconds(30)),
      StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("refused")));
}

TEST_F(ConnectMonitorTest, FullQueueIsTriedAgainUntilTheDeadline) {
  const std::string path = directory_ + "/qmp.sock";
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  const absl::StatusOr<UniqueFd> first = Connect(path, ThisProcess(), kWait);
  ASSERT_THAT(first, IsOk());

  EXPECT_THAT(Connect(path, ThisProcess(), absl::Milliseconds(30)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(ConnectMonitorTest, PathLongerThanASocketAddressIsReached) {
  const std::string deep = absl::StrCat(directory_, "/", std::string(200, 'd'));
  std::filesystem::create_directory(deep);
  FakeQmpServer server;
  ASSERT_THAT(server.Listen(directory_ + "/short.sock"), IsOk());
  std::filesystem::rename(directory_ + "/short.sock", deep + "/qmp.sock");

  EXPECT_THAT(Connect(deep + "/qmp.sock", ThisProcess(), kWait), IsOk());
}

TEST_F(ConnectMonitorTest, PathOfNoSocketIsRefusedAtOnce) {
  EXPECT_THAT(Connect(directory_ + "/", ThisProcess(), kWait),
              HasReason(reason::kInvalidRequest));
  EXPECT_THAT(Connect("", ThisProcess(), kWait),
              HasReason(reason::kInvalidRequest));
  EXPECT_THAT(Connect(absl::StrCat(directory_, "/", std::string(120, 'n')),
                      ThisProcess(), kWait),
              HasReason(reason::kInvalidRequest));
  EXPECT_THAT(Connect(std::string("/tmp/a\0b", 8), ThisProcess(), kWait),
              HasReason(reason::kInvalidRequest));
}

TEST_F(ConnectMonitorTest, OtherFaultsAreNotTriedAgain) {
  EXPECT_THAT(Connect("/dev/null/qmp.sock", ThisProcess(), kWait),
              HasReason(reason::kSystemError));
}

}  // namespace
}  // namespace innkeeper
