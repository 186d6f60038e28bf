#include "rpc/acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"
#include "rpc/testing/fake_services.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

std::unique_ptr<TestServer> MakeServer(Acceptor::Options acceptor) {
  TestServer::Options options;
  options.services = {"innkeeper.v1.Guests"};
  options.acceptor = acceptor;
  options.make = [](Gate* gate) {
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(std::make_unique<FakeGuests>(gate));
    return services;
  };
  return std::make_unique<TestServer>(std::move(options));
}

absl::Status Get(const std::shared_ptr<grpc::Channel>& channel,
                 absl::Duration timeout = absl::Seconds(15)) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  SetTimeout(&context, timeout);
  v1::GetGuestRequest request;
  request.set_name("guests/web");
  v1::Guest guest;
  return FromGrpcStatus(
      v1::Guests::NewStub(channel)->GetGuest(&context, request, &guest));
}

UniqueFd Dial(int port, const char* from = "127.0.0.1") {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, from, &address.sin_addr);
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0) {
    return UniqueFd();
  }
  return fd;
}

// Whether the peer ends the connection within `limit`.
bool EndsWithin(const UniqueFd& fd, absl::Duration limit) {
  pollfd poll_fd{fd.get(), POLLIN, 0};
  if (poll(&poll_fd, 1, static_cast<int>(absl::ToInt64Milliseconds(limit))) !=
      1) {
    return false;
  }
  char byte;
  return recv(fd.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

TEST(AcceptorTest, CallsPassThroughTheRelay) {
  const auto server = MakeServer({});
  const auto channel = server->Channel("user/alice");
  for (int i = 0; i < 20; ++i) ASSERT_THAT(Get(channel), IsOk());
  EXPECT_EQ(server->connections().size(), 1u);
}

TEST(AcceptorTest, SilentConnectionIsCutOff) {
  Acceptor::Options options;
  options.silence_limit = absl::Milliseconds(200);
  const auto server = MakeServer(options);
  const UniqueFd fd = Dial(server->port());
  ASSERT_TRUE(fd.valid());
  EXPECT_TRUE(EndsWithin(fd, absl::Seconds(10)));
}

TEST(AcceptorTest, HandshakeThatDoesNotEndIsCutOffByGrpc) {
  const auto server = MakeServer({});
  const UniqueFd fd = Dial(server->port());
  ASSERT_EQ(write(fd.get(), "\x16\x03\x01\x02", 4), 4);
  const absl::Time start = absl::Now();
  EXPECT_TRUE(EndsWithin(fd, absl::Seconds(10)));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST(AcceptorTest, GarbageInsteadOfAHandshakeIsCutOff) {
  const auto server = MakeServer({});
  const UniqueFd fd = Dial(server->port());
  const std::string garbage = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_GT(write(fd.get(), garbage.data(), garbage.size()), 0);
  EXPECT_TRUE(EndsWithin(fd, absl::Seconds(10)));
}

TEST(AcceptorTest, SourceWithItsFillIsRefusedAndOthersAreServed) {
  Acceptor::Options options;
  options.max_unidentified_per_source = 3;
  const auto server = MakeServer(options);
  const auto channel = server->Channel("user/alice");
  // From another source: what it shows is not counted with these.
  std::vector<UniqueFd> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(Dial(server->port(), "127.0.0.2"));
    ASSERT_TRUE(held.back().valid());
  }
  const UniqueFd extra = Dial(server->port(), "127.0.0.2");
  EXPECT_TRUE(!extra.valid() || EndsWithin(extra, absl::Seconds(2)));
  EXPECT_GE(server->runner().acceptor().shed(), 1);
  for (const UniqueFd& fd : held) {
    EXPECT_FALSE(EndsWithin(fd, absl::ZeroDuration()));
  }
  EXPECT_THAT(Get(channel), IsOk());
}

TEST(AcceptorTest, IdentifiedConnectionNoLongerCounts) {
  Acceptor::Options options;
  options.max_unidentified_per_source = 1;
  const auto server = MakeServer(options);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < 4; ++i) {
    channels.push_back(server->Channel("user/alice"));
    ASSERT_THAT(Get(channels.back()), IsOk());
  }
  EXPECT_EQ(server->connections().size(), 4u);
}

TEST(AcceptorTest, NoMoreConnectionsThanTheCap) {
  Acceptor::Options options;
  options.max_connections = 2;
  const auto server = MakeServer(options);
  const UniqueFd first = Dial(server->port());
  const UniqueFd second = Dial(server->port());
  const UniqueFd third = Dial(server->port());
  EXPECT_TRUE(!third.valid() || EndsWithin(third, absl::Seconds(2)));
  EXPECT_FALSE(EndsWithin(first, absl::ZeroDuration()));
}

TEST(AcceptorTest, ClosedConnectionIsForgotten) {
  const auto server = MakeServer({});
  auto channel = server->Channel("user/alice");
  ASSERT_THAT(Get(channel), IsOk());
  ASSERT_EQ(server->connections().size(), 1u);
  channel.reset();
  const absl::Time limit = absl::Now() + absl::Seconds(10);
  while (server->connections().size() > 0 && absl::Now() < limit) {
    std::this_thread::yield();
  }
  EXPECT_EQ(server->connections().size(), 0u);
}

// 64 KiB a second after the first 16 KiB.
TEST(AcceptorTest, UserIsPacedAndServerIsNot) {
  const auto server = MakeServer({});
  const auto time = [&](const std::string& principal) {
    const auto channel = server->Channel(principal);
    EXPECT_THAT(Get(channel), IsOk());
    const absl::Time start = absl::Now();
    // Refused for its length, but read to the end first.
    v1::GetGuestRequest big;
    big.set_name(std::string(80 << 10, 'x'));
    grpc::ClientContext context;
    SetTimeout(&context, absl::Seconds(15));
    v1::Guest guest;
    EXPECT_EQ(v1::Guests::NewStub(channel)
                  ->GetGuest(&context, big, &guest)
                  .error_code(),
              grpc::INVALID_ARGUMENT);
    return absl::Now() - start;
  };
  EXPECT_GT(time("user/alice"), absl::Milliseconds(800));
  EXPECT_LT(time("server/s2"), absl::Milliseconds(800));
}

// Runs this program with `mode` and returns its exit status.
int RunSelf(const std::string& mode, const std::string& argument) {
  std::string self = "acceptor_test";
  std::string first = mode;
  std::string second = argument;
  char* argv[] = {self.data(), first.data(), second.data(), nullptr};
  pid_t child = -1;
  if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, argv, environ) !=
      0) {
    return -1;
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// In a process of its own, because the limit is a process's.
TEST(AcceptorTest, RecoversFromRunningOutOfDescriptors) {
  EXPECT_EQ(RunSelf("--exhaust", ""), 0);
}

// The server of the test above.
int Exhaust() {
  Acceptor::Options options;
  options.max_unidentified_per_source = 1000;
  const auto server = MakeServer(options);
  const auto channel = server->Channel("user/alice");
  if (!Get(channel).ok()) return 2;
  // Connects when it is first used; its files are written while there is room.
  const auto later = server->Channel("user/alice");
  const rlimit limit{64, 64};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 3;
  // From a third process, so that the clients' descriptors are not ours.
  if (RunSelf("--flood", absl::StrCat(server->port())) != 0) return 4;
  if (server->runner().acceptor().shed() == 0) return 5;
  const absl::Time start = absl::Now();
  if (!Get(later).ok()) return 6;
  return absl::Now() - start < absl::Seconds(3) ? 0 : 7;
}

// Holds up to 40 connections to `port` that say nothing, then leaves.
int Flood(int port) {
  std::vector<UniqueFd> fds;
  for (int i = 0; i < 600; ++i) {
    UniqueFd fd = Dial(port);
    if (fd.valid()) fds.push_back(std::move(fd));
    if (fds.size() >= 40) fds.erase(fds.begin(), fds.begin() + 4);
  }
  return 0;
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--flood") {
    return innkeeper::Flood(atoi(argv[2]));
  }
  if (argc == 3 && std::string(argv[1]) == "--exhaust") {
    return innkeeper::Exhaust();
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
