// The whole stack against the QEMU of this machine.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/qmp/commands.h"
#include "agent/qmp/connector.h"
#include "agent/qmp/event.h"
#include "agent/qmp/run_state.h"
#include "agent/qmp/session.h"
#include "agent/qmp/testing/await.h"
#include "agent/qmp/testing/test_session.h"
#include "agent/qmp/version.h"
#include "base/completion.h"
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
using testing::AnyOf;
using testing::SizeIs;

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr char kUuid[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

// A QEMU without a machine, stopped before its first instruction.
class RealQemuTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qmpXXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    socket_path_ = directory_ + "/qmp.sock";
    std::vector<std::string> arguments = {
        "qemu-system-x86_64",
        "-nodefaults",
        "-display",
        "none",
        "-M",
        "none",
        "-S",
        "-name",
        "web",
        "-uuid",
        kUuid,
        "-qmp",
        absl::StrCat("unix:", socket_path_, ",server=on,wait=off")};
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ASSERT_EQ(
        posix_spawnp(&pid_, argv[0], nullptr, nullptr, argv.data(), environ),
        0);
  }

  void TearDown() override {
    session_.reset();
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }

  void StartSession() {
    absl::StatusOr<UniqueFd> socket =
        Await<absl::StatusOr<UniqueFd>>(&loop_, [&](Completion<UniqueFd> done) {
          ConnectMonitor(&loop_, socket_path_, MonitorPeer{pid_, getuid()},
                         kTimeout, std::move(done));
        });
    ASSERT_THAT(socket, IsOk());
    session_ = std::make_unique<TestSession>(&loop_, *std::move(socket));
    ASSERT_TRUE(session_->WaitReady().has_value());
  }

  template <typename T>
  absl::StatusOr<T> Ask(void (*query)(QmpSession*, absl::Duration,
                                      Completion<T>)) {
    return Await<absl::StatusOr<T>>(&loop_, [&](Completion<T> done) {
      query(session_->session(), kTimeout, std::move(done));
    });
  }

  absl::Status Act(void (*act)(QmpSession*, absl::Duration, StatusCompletion)) {
    return Await<absl::Status>(&loop_, [&](StatusCompletion done) {
      act(session_->session(), kTimeout, std::move(done));
    });
  }

  EventLoop loop_{"qmp"};
  std::string directory_;
  std::string socket_path_;
  pid_t pid_ = 0;
  std::unique_ptr<TestSession> session_;
};

TEST_F(RealQemuTest, TypedCommandsDescribeAndSteerIt) {
  StartSession();

  const absl::StatusOr<QmpStatus> fresh = Ask(QueryStatus);
  ASSERT_THAT(fresh, IsOk());
  EXPECT_FALSE(fresh->running);
  EXPECT_EQ(fresh->state, RunState::kPrelaunch);
  const absl::StatusOr<QmpVersion> version = Ask(QueryVersion);
  ASSERT_THAT(version, IsOk());
  EXPECT_EQ(version->major, session_->WaitReady()->major);
  EXPECT_THAT(Ask(QueryName), IsOkAndHolds(std::string("web")));
  EXPECT_THAT(Ask(QueryUuid), IsOkAndHolds(std::string(kUuid)));
  const absl::StatusOr<QmpKvm> kvm = Ask(QueryKvm);
  ASSERT_THAT(kvm, IsOk());
  EXPECT_FALSE(kvm->enabled);
  EXPECT_THAT(Await<absl::Status>(&loop_,
                                  [&](StatusCompletion done) {
                                    SetAction(session_->session(),
                                              RebootAction::kReset,
                                              ShutdownAction::kPowerOff,
                                              kTimeout, std::move(done));
                                  }),
              IsOk());

  EXPECT_THAT(Act(Cont), IsOk());
  EXPECT_EQ(Ask(QueryStatus)->state, RunState::kRunning);
  EXPECT_THAT(Act(Stop), IsOk());
  EXPECT_EQ(Ask(QueryStatus)->state, RunState::kPaused);

  const std::vector<QmpEvent> events = session_->WaitEvents(2);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].name, "RESUME");
  EXPECT_EQ(events[1].name, "STOP");
  EXPECT_GE(events[1].time, events[0].time);
}

TEST_F(RealQemuTest, LargestAnswerOfQemuFitsTheLimits) {
  StartSession();

  const absl::StatusOr<json> schema = session_->Run("query-qmp-schema");

  ASSERT_THAT(schema, IsOk());
  EXPECT_GT(schema->size(), 500u);
}

TEST_F(RealQemuTest, UnknownCommandIsRefusedByQemuItself) {
  StartSession();

  EXPECT_THAT(session_->Run("no-such-command"),
              HasReason(reason::kMonitorCommandFailed));
}

TEST_F(RealQemuTest, StoppedProcessCostsTheDeadlineAndAnswersLate) {
  StartSession();
  ASSERT_EQ(kill(pid_, SIGSTOP), 0);

  EXPECT_THAT(session_->Run("query-status", nullptr, absl::Milliseconds(50)),
              HasReason(reason::kGuestUnresponsive));

  ASSERT_EQ(kill(pid_, SIGCONT), 0);
  EXPECT_THAT(Ask(QueryStatus), IsOk());
  EXPECT_EQ(session_->closed_calls(), 0);
}

TEST_F(RealQemuTest, SecondClientGetsNoGreetingUntilTheFirstLeaves) {
  StartSession();
  absl::StatusOr<UniqueFd> socket =
      Await<absl::StatusOr<UniqueFd>>(&loop_, [&](Completion<UniqueFd> done) {
        ConnectMonitor(&loop_, socket_path_, MonitorPeer{pid_, getuid()},
                       kTimeout, std::move(done));
      });
  ASSERT_THAT(socket, IsOk());
  QmpSession::Options options;
  options.handshake_timeout = absl::Milliseconds(50);
  TestSession second(&loop_, *std::move(socket), options);
  EXPECT_THAT(second.WaitClosed(), HasReason(reason::kGuestUnresponsive));

  session_.reset();

  StartSession();
  EXPECT_THAT(Ask(QueryStatus), IsOk());
}

TEST_F(RealQemuTest, QuitEndsTheProcessAndTheSession) {
  StartSession();

  const absl::Status quit = Act(Quit);

  EXPECT_THAT(quit, AnyOf(IsOk(), HasReason(reason::kMonitorClosed)));
  EXPECT_THAT(session_->WaitClosed(), HasReason(reason::kMonitorClosed));
  int status = -1;
  ASSERT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = 0;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace innkeeper
