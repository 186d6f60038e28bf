#include "agent/keeper/console.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "agent/keeper/log_file.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

class ConsoleTest : public testing::Test {
 protected:
  ConsoleTest() {
    std::string path = testing::TempDir() + "/console-XXXXXX";
    dir_ = mkdtemp(path.data());
    dir_fd_.reset(open(dir_.c_str(), O_RDONLY | O_DIRECTORY));
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    keeper_.reset(ends[0]);
    qemu_.reset(ends[1]);
    address_.sun_family = AF_UNIX;
    // Abstract: a temporary directory's path may be too long for a socket.
    snprintf(address_.sun_path + 1, sizeof(address_.sun_path) - 1,
             "console-test-%d-%p", getpid(), static_cast<void*>(this));
    listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address_),
                   sizeof(address_)),
              0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    log_ = std::make_unique<LogFile>(dir_fd_.get(), "console.log", 1 << 20, 2);
    console_ = std::make_unique<Console>(keeper_.get(), listener_.get(), *log_);
  }

  // Runs the console until nothing more is to do at time `now_`.
  void Settle() {
    for (int round = 0; round < 10000; ++round) {
      pollfd polled[Console::kMaxPolled];
      int timeout = -1;
      const int count = console_->Prepare(polled, now_, &timeout);
      if (poll(polled, static_cast<nfds_t>(count), 0) <= 0) return;
      console_->Handle(polled, now_);
    }
    ADD_FAILURE() << "the console spins";
  }
  UniqueFd Attach() {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address_),
                      sizeof(address_)),
              0);
    Settle();
    return fd;
  }
  void Print(const std::string& text) {
    size_t at = 0;
    while (at < text.size()) {
      const ssize_t written =
          write(qemu_.get(), text.data() + at, text.size() - at);
      if (written > 0) at += static_cast<size_t>(written);
      Settle();
      now_ += 20;
    }
  }
  static std::string Receive(const UniqueFd& fd, bool* closed = nullptr) {
    std::string all;
    char buffer[65536];
    ssize_t got;
    while ((got = read(fd.get(), buffer, sizeof(buffer))) > 0) {
      all.append(buffer, static_cast<size_t>(got));
    }
    if (closed != nullptr) *closed = got == 0;
    return all;
  }

  std::string dir_;
  UniqueFd dir_fd_, keeper_, qemu_, listener_;
  sockaddr_un address_ = {};
  int64_t now_ = 1000;
  std::unique_ptr<LogFile> log_;
  std::unique_ptr<Console> console_;
};

TEST_F(ConsoleTest, OutputIsLoggedReplayedAndFollowed) {
  Print("before ");

  const UniqueFd client = Attach();
  Print("after");

  EXPECT_EQ(Receive(client), "before after");
  EXPECT_THAT(ReadFile(dir_ + "/console.log", 1000),
              IsOkAndHolds(std::string("before after")));
}

TEST_F(ConsoleTest, ReplayIsTheLast64KiB) {
  const std::string text = std::string(100000, 'a') + std::string(65536, 'b');
  Print(text);

  const UniqueFd client = Attach();
  std::string received;
  for (int i = 0; i < 10; ++i) {
    received += Receive(client);
    Settle();
  }

  EXPECT_EQ(received, std::string(65536, 'b'));
}

TEST_F(ConsoleTest, InputOfEveryClientReachesTheGuest) {
  const UniqueFd one = Attach();
  const UniqueFd two = Attach();

  ASSERT_EQ(write(one.get(), "ls\n", 3), 3);
  Settle();
  ASSERT_EQ(write(two.get(), "id\n", 3), 3);
  Settle();

  EXPECT_EQ(Receive(qemu_), "ls\nid\n");
}

TEST_F(ConsoleTest, LastWordsOfAClientThatLeavesReachTheGuest) {
  UniqueFd client = Attach();
  const std::string words(20000, 'w');
  ASSERT_EQ(write(client.get(), words.data(), words.size()),
            static_cast<ssize_t>(words.size()));
  client.reset();

  Settle();

  EXPECT_EQ(Receive(qemu_), words);
}

TEST_F(ConsoleTest, SlowClientIsDroppedAndHoldsNobodyUp) {
  const UniqueFd slow = Attach();
  const UniqueFd quick = Attach();
  std::string received;

  for (int i = 0; i < 200; ++i) {
    Print(std::string(10000, 'x'));
    received += Receive(quick);
  }

  EXPECT_EQ(received.size(), 2000000u);
  bool closed = false;
  EXPECT_LT(Receive(slow, &closed).size(), 2000000u);
  EXPECT_TRUE(closed);
}

TEST_F(ConsoleTest, FifthClientWaitsUntilOneLeaves) {
  UniqueFd first = Attach();
  const UniqueFd second = Attach(), third = Attach(), fourth = Attach();
  const UniqueFd fifth = Attach();
  Print("a");
  EXPECT_EQ(Receive(fifth), "");

  first.reset();
  Settle();

  EXPECT_EQ(Receive(fifth), "a");
}

TEST_F(ConsoleTest, FloodIsReadNoFasterThanTheRate) {
  // All at one instant: no more than the burst may be read.
  size_t printed = 0;
  const std::string chunk(65536, 'f');
  while (printed < (8u << 20)) {
    const ssize_t written = write(qemu_.get(), chunk.data(), chunk.size());
    if (written > 0) printed += static_cast<size_t>(written);
    const size_t before = printed;
    Settle();
    if (written <= 0 && printed == before) break;
  }

  EXPECT_LT(printed, 3u << 20);
  pollfd polled[Console::kMaxPolled];
  int timeout = -1;
  console_->Prepare(polled, now_, &timeout);
  EXPECT_EQ(polled[0].fd, -1);
  EXPECT_GT(timeout, 0);
  // A while later the guest may go on.
  now_ += 100;
  console_->Prepare(polled, now_, &timeout);
  EXPECT_EQ(polled[0].fd, keeper_.get());
}

TEST_F(ConsoleTest, GuestThatEndsDoesNotMakeItSpin) {
  const UniqueFd client = Attach();
  Print("end");
  qemu_.reset();

  Settle();
  console_->Finish();

  EXPECT_EQ(Receive(client), "end");
}

}  // namespace
}  // namespace innkeeper
