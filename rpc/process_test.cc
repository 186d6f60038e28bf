#include "rpc/process.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/version.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ExitedWithCode;

// Starts with `start`, and asks itself to stop where that is OK.
class ScriptedProcess final : public Process {
 public:
  explicit ScriptedProcess(absl::Status start) : start_(std::move(start)) {}
  // A test that comes here after a start fails by this code.
  ~ScriptedProcess() override {
    if (started_) _exit(77);
  }

  absl::Status Start() override {
    started_ = true;
    if (start_.ok()) kill(getpid(), SIGTERM);
    return start_;
  }
  void Stop() override { LogInfo("test.stop", {}); }

 private:
  const absl::Status start_;
  bool started_ = false;
};

// What main() of innkeeper-agent would do; its output goes to standard error,
// which is what a death test reads.
[[noreturn]] void Main(std::vector<std::string> arguments,
                       const absl::Status& start = absl::OkStatus()) {
  dup2(STDERR_FILENO, STDOUT_FILENO);
  ProcessInfo info;
  info.noun = "agent";
  info.usage = "Is a test.";
  info.configure =
      [&](const std::string& path) -> absl::StatusOr<std::unique_ptr<Process>> {
    if (path != "/good") return absl::InvalidArgumentError("bad " + path);
    return std::make_unique<ScriptedProcess>(start);
  };
  arguments.insert(arguments.begin(), "innkeeper-agent");
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  exit(RunProcess(static_cast<int>(arguments.size()), argv.data(), info));
}

TEST(ProcessTest, VersionIsPrinted) {
  EXPECT_EXIT(Main({"--version"}), ExitedWithCode(0),
              std::string("innkeeper-agent ") + kVersion);
}

TEST(ProcessTest, GoodConfigurationIsToldWithoutAStart) {
  EXPECT_EXIT(Main({"--config=/good", "--check-config"},
                   absl::InternalError("started")),
              ExitedWithCode(0), "/good is good");
}

TEST(ProcessTest, BadConfigurationIsNamedAndFails) {
  EXPECT_EXIT(Main({"--config=/bad", "--check_config"}), ExitedWithCode(1),
              "agent.failed error=\"bad /bad\"");
  EXPECT_EXIT(Main({"--config=/bad"}), ExitedWithCode(1),
              "agent.failed error=\"bad /bad\"");
}

TEST(ProcessTest, SignalStopsItInGoodOrder) {
  EXPECT_EXIT(Main({"--config=/good"}), ExitedWithCode(0),
              "test.stop(.|\n)*agent.stopped why=\"asked");
}

TEST(ProcessTest, FailedStartIsSaidBeforeAnythingIsTornDown) {
  EXPECT_EXIT(Main({"--config=/good"}, absl::InternalError("no disk")),
              ExitedWithCode(1), "agent.failed error=\"no disk\"");
}

}  // namespace
}  // namespace innkeeper
