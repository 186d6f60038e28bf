#include "agent/service/console_service.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/service/testing/test_agent.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

constexpr int kPatienceMillis = 20'000;

bool WaitFor(int fd, short events) {
  pollfd waiting = {fd, events, 0};
  return poll(&waiting, 1, kPatienceMillis) == 1;
}

// The keeper's end: what the test writes to a connection, the guest wrote.
class FakeKeeper {
 public:
  FakeKeeper() {
    // Not below the test's own directory, whose path is too long for a socket.
    char dir[] = "/tmp/consoleXXXXXX";
    if (mkdtemp(dir) == nullptr) abort();
    dir_ = dir;
    path_ = absl::StrCat(dir_, "/s");
    listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path_.data(), path_.size());
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
             sizeof(address)) != 0 ||
        listen(listener_.get(), 8) != 0) {
      abort();
    }
  }
  ~FakeKeeper() {
    unlink(path_.c_str());
    rmdir(dir_.c_str());
  }
  const std::string& path() const { return path_; }

  // The next client of the console.
  UniqueFd Accept() {
    if (!WaitFor(listener_.get(), POLLIN)) return UniqueFd();
    return UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  // Exactly `size` bytes that were typed.
  static std::string Typed(const UniqueFd& client, size_t size) {
    std::string typed(size, '\0');
    size_t got = 0;
    while (got < size && WaitFor(client.get(), POLLIN)) {
      const ssize_t more = read(client.get(), &typed[got], size - got);
      if (more <= 0) break;
      got += static_cast<size_t>(more);
    }
    typed.resize(got);
    return typed;
  }
  static void Print(const UniqueFd& client, const std::string& text) {
    EXPECT_EQ(send(client.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Whether the agent has closed its end.
  static bool Left(const UniqueFd& client) {
    char byte;
    return WaitFor(client.get(), POLLIN) && read(client.get(), &byte, 1) == 0;
  }

 private:
  std::string dir_;
  std::string path_;
  UniqueFd listener_;
};

// One client.
class Console {
 public:
  Console(TestAgent& agent, const std::string& caller)
      : stub_(v1::Consoles::NewStub(agent.Channel(caller))) {
    SetTimeout(&context_, TestAgent::kPatience);
    stream_ = stub_->AttachSerial(&context_);
  }
  Console& Attach(const std::string& name, const std::string& input = "",
                  bool read_only = false) {
    v1::AttachSerialRequest first;
    first.set_name(name);
    first.set_input(input);
    first.set_read_only(read_only);
    stream_->Write(first);
    return *this;
  }
  void Type(const std::string& input) {
    v1::AttachSerialRequest request;
    request.set_input(input);
    stream_->Write(request);
  }
  void HangUp() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }
  // Exactly `size` bytes of output; less if the stream ends before.
  std::string Read(size_t size) {
    v1::AttachSerialResponse response;
    while (read_.size() < size && stream_->Read(&response)) {
      read_ += response.output();
    }
    std::string all = read_.substr(0, size);
    read_.erase(0, size);
    return all;
  }
  absl::Status End() {
    v1::AttachSerialResponse response;
    while (stream_->Read(&response)) {
    }
    return FromGrpcStatus(stream_->Finish());
  }

 private:
  std::unique_ptr<v1::Consoles::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachSerialRequest,
                                           v1::AttachSerialResponse>>
      stream_;
  std::string read_;
};

class ConsoleServiceTest : public testing::Test {
 protected:
  ConsoleServiceTest() {
    agent_.OnLoop([&] { agent_.driver().SetConsolePath(keeper_.path()); });
    agent_.Run("web", "user/alice");
  }

  // The guest's process ends.
  void PowerOff() {
    agent_.OnLoop([&] { agent_.driver().Exit("web", ExitKind::kExited, 0); });
  }

  FakeKeeper keeper_;
  TestAgent agent_;
};

TEST_F(ConsoleServiceTest, ForeignConsoleIsThatOfAnAbsentGuest) {
  const absl::Status foreign =
      Console(agent_, "user/bob").Attach("guests/web").End();

  EXPECT_THAT(foreign, StatusIs(absl::StatusCode::kNotFound,
                                "guest 'web' does not exist"));
  EXPECT_THAT(foreign, HasReason(reason::kGuestNotFound));
}

TEST_F(ConsoleServiceTest, ViewerAttachesToNothing) {
  EXPECT_THAT(Console(agent_, "user/watcher").Attach("guests/web").End(),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Console(agent_, "service/ci").Attach("guests/web").End(),
              HasReason(reason::kPermissionDenied));
}

TEST_F(ConsoleServiceTest, GuestWithoutAProcessHasNoConsole) {
  v1::StopGuestRequest stop;
  stop.set_name("guests/web");
  stop.set_force(true);
  ASSERT_THAT(
      agent_.End(agent_.Call("user/alice", &v1::Guests::Stub::StopGuest, stop)),
      IsOk());

  const absl::Status end =
      Console(agent_, "user/alice").Attach("guests/web").End();

  EXPECT_THAT(end, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(end, HasReason(reason::kConsoleUnavailable));
}

TEST_F(ConsoleServiceTest, KeeperThatCannotBeReachedIsSaid) {
  for (const std::string& path :
       {std::string("/nonexistent"), std::string(200, 'x')}) {
    agent_.OnLoop([&] { agent_.driver().SetConsolePath(path); });
    EXPECT_THAT(Console(agent_, "user/alice").Attach("guests/web").End(),
                HasReason(reason::kConsoleUnavailable));
  }
}

TEST_F(ConsoleServiceTest, OutputAndInputReachTheirEnds) {
  Console console(agent_, "user/alice");
  console.Attach("guests/web");
  const UniqueFd guest = keeper_.Accept();
  FakeKeeper::Print(guest, "login: ");
  EXPECT_EQ(console.Read(7), "login: ");

  console.Type("root");
  console.Type("\n");

  EXPECT_EQ(FakeKeeper::Typed(guest, 5), "root\n");
  console.Cancel();
  EXPECT_TRUE(FakeKeeper::Left(guest));
}

TEST_F(ConsoleServiceTest, FirstMessageMayTypeAlready) {
  Console console(agent_, "user/alice");
  console.Attach("guests/web", "early");
  const UniqueFd guest = keeper_.Accept();

  EXPECT_EQ(FakeKeeper::Typed(guest, 5), "early");
}

TEST_F(ConsoleServiceTest, ReadOnlyConsoleRefusesInputByName) {
  {
    Console console(agent_, "user/alice");
    console.Attach("guests/web", "", /*read_only=*/true);
    const UniqueFd guest = keeper_.Accept();
    FakeKeeper::Print(guest, "x");
    EXPECT_EQ(console.Read(1), "x");
    console.Type("y");
    const absl::Status end = console.End();
    EXPECT_THAT(end, HasReason(reason::kInvalidRequest));
    EXPECT_EQ(DetailsOf(end).fields.at(0).field, "input");
    EXPECT_TRUE(FakeKeeper::Left(guest));
  }
  const absl::Status at_once =
      Console(agent_, "user/alice").Attach("guests/web", "y", true).End();
  EXPECT_THAT(at_once, HasReason(reason::kInvalidRequest));
}

TEST_F(ConsoleServiceTest, EndOfTheGuestIsTheEndOfTheStream) {
  Console console(agent_, "user/alice");
  console.Attach("guests/web");
  UniqueFd guest = keeper_.Accept();
  FakeKeeper::Print(guest, "Power down");
  PowerOff();
  guest.reset();

  EXPECT_EQ(console.Read(10), "Power down");
  EXPECT_THAT(console.End(), IsOk());
}

// The guest goes on: the keeper has dropped a client that fell behind.
TEST_F(ConsoleServiceTest, ClientThatItsKeeperDropsIsToldThatItWasTooSlow) {
  Console console(agent_, "user/alice");
  console.Attach("guests/web");
  keeper_.Accept().reset();

  const absl::Status end = console.End();
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(end, HasReason(reason::kWatcherTooSlow));
}

TEST_F(ConsoleServiceTest, ClientThatTypesNoMoreStillReads) {
  Console console(agent_, "user/alice");
  console.Attach("guests/web", "bye");
  UniqueFd guest = keeper_.Accept();
  console.HangUp();
  EXPECT_EQ(FakeKeeper::Typed(guest, 3), "bye");

  FakeKeeper::Print(guest, "still here");
  EXPECT_EQ(console.Read(10), "still here");
  PowerOff();
  guest.reset();
  EXPECT_THAT(console.End(), IsOk());
}

TEST_F(ConsoleServiceTest, FifthClientIsRefusedUntilAnotherLeaves) {
  std::vector<std::unique_ptr<Console>> consoles;
  std::vector<UniqueFd> guests;
  for (int i = 0; i < 4; ++i) {
    consoles.push_back(std::make_unique<Console>(agent_, "user/alice"));
    consoles.back()->Attach("guests/web");
    guests.push_back(keeper_.Accept());
  }

  const absl::Status fifth =
      Console(agent_, "user/op").Attach("guests/web").End();
  EXPECT_THAT(fifth, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(fifth, HasReason(reason::kConsoleBusy));

  consoles[0]->Cancel();
  ASSERT_TRUE(FakeKeeper::Left(guests[0]));
  Console next(agent_, "user/op");
  next.Attach("guests/web", "hello");
  EXPECT_EQ(FakeKeeper::Typed(keeper_.Accept(), 5), "hello");
}

TEST_F(ConsoleServiceTest, OneGuestsClientsDoNotCountForAnother) {
  agent_.Run("db", "user/alice");
  std::vector<std::unique_ptr<Console>> consoles;
  std::vector<UniqueFd> guests;
  for (int i = 0; i < 5; ++i) {
    consoles.push_back(std::make_unique<Console>(agent_, "user/alice"));
    consoles.back()->Attach(i < 4 ? "guests/web" : "guests/db", "x");
    guests.push_back(keeper_.Accept());
    EXPECT_EQ(FakeKeeper::Typed(guests.back(), 1), "x");
  }
}

// Nothing piles up in the agent: the keeper, which has a bounded log, waits.
TEST_F(ConsoleServiceTest, SlowReaderHoldsUpItsKeeperAndLosesNothing) {
  Console console(agent_, "user/alice");
  console.Attach("guests/web");
  const UniqueFd guest = keeper_.Accept();
  ASSERT_EQ(fcntl(guest.get(), F_SETFL, O_NONBLOCK), 0);

  // More than any buffer on the way; each line says where it is.
  constexpr size_t kLines = 4'000'000;
  std::string pending;
  size_t line = 0;
  size_t sent = 0;
  bool held_up = false;
  while (line < kLines && !held_up) {
    pending += absl::StrCat(line++, "\n");
    if (pending.size() < 32768) continue;
    while (!pending.empty() && !held_up) {
      const ssize_t put =
          send(guest.get(), pending.data(), pending.size(), MSG_NOSIGNAL);
      if (put > 0) {
        sent += static_cast<size_t>(put);
        pending.erase(0, static_cast<size_t>(put));
      } else {
        // The agent may only be behind: held up is who waits for a while.
        pollfd waiting = {guest.get(), POLLOUT, 0};
        held_up = poll(&waiting, 1, 1000) == 0;
      }
    }
  }
  EXPECT_TRUE(held_up);
  EXPECT_LT(sent, size_t{16} << 20);

  const std::string read = console.Read(sent);
  ASSERT_EQ(read.size(), sent);
  size_t at = 0;
  for (size_t i = 0; at < read.size(); ++i) {
    const std::string expected = absl::StrCat(i, "\n");
    const size_t size = std::min(expected.size(), read.size() - at);
    ASSERT_EQ(read.substr(at, size), expected.substr(0, size)) << "line " << i;
    at += size;
  }
}

// What is typed waits in the client, not in the agent.
TEST_F(ConsoleServiceTest, GuestThatDoesNotReadGetsEverythingOnceItDoes) {
  Console console(agent_, "user/alice");
  console.Attach("guests/web");
  const UniqueFd guest = keeper_.Accept();
  std::vector<std::string> chunks;
  chunks.reserve(48);
  for (int i = 0; i < 48; ++i) {
    chunks.emplace_back(8192, static_cast<char>('a' + i % 26));
  }
  std::thread typist([&] {
    for (const std::string& chunk : chunks) console.Type(chunk);
  });

  const std::string typed = absl::StrJoin(chunks, "");
  EXPECT_EQ(FakeKeeper::Typed(guest, typed.size()), typed);
  typist.join();
}

}  // namespace
}  // namespace innkeeper
