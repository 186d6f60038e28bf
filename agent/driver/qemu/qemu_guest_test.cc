#include "agent/driver/qemu/qemu_guest.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/qemu_timings.h"
#include "agent/qmp/testing/await.h"
#include "agent/qmp/testing/fake_qmp_server.h"
#include "base/event_loop.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(20);

class QemuGuestTest : public testing::Test {
 protected:
  QemuGuestTest() {
    char path[] = "/tmp/ik-XXXXXX";
    if (mkdtemp(path) == nullptr) abort();
    directory_ = path;
    std::filesystem::create_directory(directory_ + "/log");
    monitor_.Reply("query-status", {{"status", "running"}});
  }
  ~QemuGuestTest() override {
    loop_.PostAndWait([this] {
      if (guest_ != nullptr) guest_->Close();
      guest_.reset();
    });
    std::filesystem::remove_all(directory_);
  }

  // A guest whose process is this test for the kernel, and lives for as long as
  // `life_` is open.
  void Start(bool listens) {
    if (listens) {
      ASSERT_THAT(monitor_.Listen(directory_ + "/qmp.sock"), IsOk());
    }
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    life_.reset(ends[0]);
    GuestProcess process;
    process.pid = getpid();
    process.unix_uid = getuid();
    // The test is its own keeper, so that the record is waited for.
    process.keeper_pid = getpid();
    QemuGuest::Handlers handlers;
    handlers.event = [this](const QmpEvent& event) { Add(event.name); };
    handlers.exit = [this](const GuestExit& exit, const std::string& text) {
      Add(absl::StrCat("exit ", exit.value, " ", text));
    };
    handlers.responsive = [this](bool responsive) {
      Add(responsive ? "responsive" : "unresponsive");
    };
    loop_.PostAndWait([&] {
      guest_ =
          QemuGuest::Start(&loop_, "web", directory_, process,
                           UniqueFd(ends[1]), std::move(handlers), timings_);
    });
  }
  // Connects, and adds "connected: ..." when that is answered.
  void BeginConnect(absl::Duration timeout) {
    loop_.PostAndWait([&] {
      guest_->Connect(timeout, [this](absl::StatusOr<std::string> state) {
        Add(absl::StrCat(
            "connected: ",
            state.ok() ? *state : DetailsOf(state.status()).reason));
      });
    });
  }
  void WriteExit(int value) {
    ASSERT_THAT(
        WriteFileAtomically(directory_ + "/log/exit",
                            absl::StrCat(R"({"kind":"exited","value":)", value,
                                         R"(,"time_unix_ms":1})"),
                            0640),
        IsOk());
  }

  void Add(std::string line) {
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> WaitFor(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return lines_.size() >= count;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
    return lines_;
  }

  QemuTimings timings_;
  std::string directory_;
  FakeQmpServer monitor_;
  EventLoop loop_{"guest"};
  UniqueFd life_;
  std::shared_ptr<QemuGuest> guest_;
  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(QemuGuestTest, ConnectAnswersWithTheRunState) {
  Start(/*listens=*/true);

  BeginConnect(kPatience);

  EXPECT_THAT(WaitFor(1), ElementsAre("connected: running"));
}

TEST_F(QemuGuestTest, ProcessThatEndsBeforeItListensAnswersThenExits) {
  WriteExit(1);
  Start(/*listens=*/false);
  BeginConnect(absl::Minutes(5));

  life_.reset();

  EXPECT_THAT(WaitFor(2), ElementsAre("connected: MONITOR_CLOSED", "exit 1 "));
}

TEST_F(QemuGuestTest, ProcessThatEndsWithoutGreetingAnswersThenExits) {
  WriteExit(1);
  monitor_.SetGreeting("");
  Start(/*listens=*/true);
  BeginConnect(absl::Minutes(5));
  // The client is there: what is said to it arrives.
  monitor_.Send(" ");

  life_.reset();

  EXPECT_THAT(WaitFor(2), ElementsAre("connected: MONITOR_CLOSED", "exit 1 "));
}

TEST_F(QemuGuestTest, ProcessThatEndsWithoutSayingItsStateAnswersThenExits) {
  WriteExit(1);
  monitor_.Ignore("query-status");
  Start(/*listens=*/true);
  BeginConnect(absl::Minutes(5));
  ASSERT_THAT(monitor_.WaitForCommands(1), SizeIs(1));

  life_.reset();

  EXPECT_THAT(WaitFor(2), ElementsAre("connected: MONITOR_CLOSED", "exit 1 "));
}

TEST_F(QemuGuestTest, NothingIsSaidOnceItIsClosed) {
  WriteExit(1);
  Start(/*listens=*/true);
  BeginConnect(kPatience);
  ASSERT_THAT(WaitFor(1), SizeIs(1));

  loop_.PostAndWait([this] { guest_->Close(); });
  monitor_.HangUp();
  life_.reset();

  // The monitor was let go, and the loop has run since.
  loop_.PostAndWait([] {});
  EXPECT_THAT(WaitFor(1), ElementsAre("connected: running"));
}

TEST_F(QemuGuestTest, CommandBeforeTheMonitorIsThereIsAnsweredAtOnce) {
  Start(/*listens=*/false);

  const auto answered = Await<absl::StatusOr<nlohmann::json>>(
      &loop_, [this](Completion<nlohmann::json> done) {
        guest_->Execute("stop", nullptr, absl::Minutes(5), std::move(done));
      });

  EXPECT_THAT(answered, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(answered, HasReason(reason::kMonitorClosed));
}

TEST_F(QemuGuestTest, FailedConnectionIsSaidByItsAnswerAloneUntilItIsBack) {
  timings_.redial = absl::Milliseconds(10);
  timings_.probe = absl::Milliseconds(100);
  Start(/*listens=*/false);
  BeginConnect(absl::Milliseconds(50));
  ASSERT_THAT(WaitFor(1), ElementsAre("connected: GUEST_UNRESPONSIVE"));

  ASSERT_THAT(monitor_.Listen(directory_ + "/qmp.sock"), IsOk());

  EXPECT_THAT(WaitFor(2),
              ElementsAre("connected: GUEST_UNRESPONSIVE", "responsive"));
}

TEST_F(QemuGuestTest, EveryEventIsHandedOnInOrder) {
  Start(/*listens=*/true);
  BeginConnect(kPatience);
  ASSERT_THAT(WaitFor(1), SizeIs(1));

  for (const char* name : {"STOP", "RESUME", "SHUTDOWN", "GUEST_PANICKED"}) {
    monitor_.SendEvent(name, nlohmann::json::object());
  }

  EXPECT_THAT(WaitFor(5), ElementsAre("connected: running", "STOP", "RESUME",
                                      "SHUTDOWN", "GUEST_PANICKED"));
}

TEST_F(QemuGuestTest, GuestKilledFromOutsideIsNotWaitedForAnyMore) {
  timings_.exit_record = absl::Minutes(5);
  Start(/*listens=*/false);
  loop_.PostAndWait([this] { guest_->ExpectExitRecord(false); });

  life_.reset();

  EXPECT_THAT(WaitFor(1), ElementsAre("exit 9 "));
}

TEST_F(QemuGuestTest, WordThatTheKilledGuestLeftStillCounts) {
  WriteExit(4);
  Start(/*listens=*/false);
  loop_.PostAndWait([this] { guest_->ExpectExitRecord(false); });

  life_.reset();

  EXPECT_THAT(WaitFor(1), ElementsAre("exit 4 "));
}

}  // namespace
}  // namespace innkeeper
