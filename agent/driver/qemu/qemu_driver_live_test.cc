// The driver over the real launcher and the real QEMU.
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/launch_planner.h"
#include "agent/driver/qemu/qemu_driver.h"
#include "agent/driver/qemu/qemu_timings.h"
#include "agent/driver/testing/driver_conformance.h"
#include "agent/driver/testing/recording_sink.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/proc.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "agent/security/security_check.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

class RealDriverUnderTest final : public DriverUnderTest {
 public:
  // With `malicious`, QEMU is that of tests/malicious_qemu.
  explicit RealDriverUnderTest(bool malicious = false) {
    std::string qemu = "/usr/bin/qemu-system-x86_64";
    if (malicious) {
      qemu = harness_.dir() + "/malicious_qemu";
      std::filesystem::copy_file("tests/malicious_qemu/malicious_qemu", qemu);
    }
    EXPECT_THAT(harness_.Start({}, {"--qemu=" + qemu}), IsOk());
    // A host that is slow is not to be taken for a guest that hangs.
    timings_.command = absl::Seconds(4);
    timings_.adopt = absl::Seconds(4);
    timings_.redial = absl::Milliseconds(200);
    timings_.probe = absl::Milliseconds(500);
    planner_ = std::make_unique<LaunchPlanner>(
        LaunchPlanner::Parts{harness_.loop(),
                             &executor_,
                             harness_.spawner(),
                             qemu,
                             {"pc-q35-7.2", "microvm"},
                             /*kvm=*/false,
                             "the test has none"});
    MakeDriver();
  }
  ~RealDriverUnderTest() override {
    harness_.loop()->PostAndWait([this] { driver_.reset(); });
  }

  EventLoop& loop() override { return *harness_.loop(); }
  GuestDriver& driver() override { return *driver_; }
  GuestSpec MakeSpec() override {
    GuestSpec spec;
    spec.memory_bytes = int64_t{32} << 20;
    return spec;
  }
  void Restart(GuestEventSink* sink) override {
    harness_.loop()->PostAndWait([this] { driver_.reset(); });
    MakeDriver();
    harness_.loop()->PostAndWait([&] { driver_->SetEventSink(sink); });
  }
  void Crash(const std::string& guest) override { Signal(guest, SIGABRT); }
  void Hang(const std::string& guest) override {
    Signal(guest, SIGSTOP);
    const std::string pid = absl::StrCat(PidOf(guest));
    EXPECT_TRUE(Eventually([&] {
      const absl::StatusOr<ProcStat> stat = ReadProcStat(pid);
      return stat.ok() && stat->state == 'T';
    }));
  }
  void Unhang(const std::string& guest) override { Signal(guest, SIGCONT); }
  std::vector<std::string> Leftovers() override { return harness_.Leftovers(); }

 private:
  void MakeDriver() {
    driver_ = std::make_unique<QemuDriver>(
        QemuDriver::Parts{harness_.loop(), harness_.spawner(), planner_.get(),
                          harness_.run_dir() + "/guests", "boot", timings_});
  }
  int64_t PidOf(const std::string& guest) {
    const absl::StatusOr<std::vector<KnownGuest>> known = harness_.List();
    EXPECT_THAT(known, IsOk());
    if (!known.ok()) return 0;
    for (const KnownGuest& one : *known) {
      if (one.guest == guest) return one.pid;
    }
    ADD_FAILURE() << guest << " is not known";
    return 0;
  }
  void Signal(const std::string& guest, int number) {
    const int64_t pid = PidOf(guest);
    ASSERT_GT(pid, 0);
    EXPECT_EQ(kill(static_cast<pid_t>(pid), number), 0);
  }

  LauncherHarness harness_;
  Executor executor_{"images", 1, 16};
  QemuTimings timings_;
  std::unique_ptr<LaunchPlanner> planner_;
  std::unique_ptr<QemuDriver> driver_;
};

// Of this process, which is the agent.
int64_t ResidentBytes() {
  const std::string text = ReadFile("/proc/self/statm", 256).value_or("");
  const std::vector<std::string> fields = absl::StrSplit(text, ' ');
  int64_t pages = 0;
  EXPECT_TRUE(fields.size() > 1 && absl::SimpleAtoi(fields[1], &pages));
  return pages * sysconf(_SC_PAGESIZE);
}

std::unique_ptr<DriverUnderTest> MakeRealDriver() {
  return std::make_unique<RealDriverUnderTest>();
}

// One host and what is asked of it.
class QemuDriverSecurityTest : public testing::Test {
 protected:
  QemuDriverSecurityTest() {
    host_.loop().PostAndWait([this] { host_.driver().SetEventSink(&sink_); });
  }

  GuestRecord Record(const std::string& id) {
    GuestRecord record;
    record.id = id;
    record.uid = MakeUuid();
    record.owner = "user/ada";
    record.spec = host_.MakeSpec();
    return record;
  }
  // Calls `method` with `argument` and waits for its answer.
  template <typename Answer, typename Method, typename Argument>
  Answer Call(Method method, const Argument& argument) {
    Answer result = absl::UnknownError("unanswered");
    absl::Notification answered;
    host_.loop().Post([&] {
      (host_.driver().*method)(argument, [&](Answer answer) {
        result = std::move(answer);
        answered.Notify();
      });
    });
    answered.WaitForNotification();
    return result;
  }
  absl::StatusOr<DriverGuest> Launch(const GuestRecord& record) {
    return Call<absl::StatusOr<DriverGuest>>(&GuestDriver::Launch, record);
  }
  absl::StatusOr<SecurityReport> Review(const GuestRecord& record) {
    return Call<absl::StatusOr<SecurityReport>>(&GuestDriver::Review, record);
  }

  RecordingSink sink_;
  RealDriverUnderTest host_{/*malicious=*/true};
};

TEST_F(QemuDriverSecurityTest, GuestThatRunsIsConfinedAsAskedInEveryCheck) {
  GuestRecord record = Record("proof");
  const auto launched = Launch(record);
  ASSERT_THAT(launched, IsOk());
  record.process = launched->process;

  const auto report = Review(record);

  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->process.pid, launched->process.pid);
  int same = 0;
  for (const SecurityCheck& check : report->checks) {
    // The binary that was asked for executes another one.
    if (check.id == "process.binary") {
      EXPECT_EQ(check.verdict, SecurityVerdict::kDifferent);
      EXPECT_EQ(check.actual, "/usr/bin/qemu-system-x86_64");
      continue;
    }
    EXPECT_NE(check.verdict, SecurityVerdict::kDifferent)
        << check.id << ": " << check.asked << " / " << check.actual;
    EXPECT_NE(check.verdict, SecurityVerdict::kUnknown)
        << check.id << ": " << check.asked << " / " << check.actual;
    if (check.verdict == SecurityVerdict::kSame) ++same;
  }
  EXPECT_GE(same, 50);
}

TEST_F(QemuDriverSecurityTest, EndlessAnswerCostsOnlyItsOwnLaunch) {
  GuestRecord good = Record("good");
  ASSERT_THAT(Launch(good), IsOk());
  const int64_t before = ResidentBytes();
  absl::Notification answered;
  absl::StatusOr<DriverGuest> evil = absl::UnknownError("unanswered");
  const GuestRecord record = Record("evil-monitor");
  host_.loop().Post([&] {
    host_.driver().Launch(record, [&](absl::StatusOr<DriverGuest> answer) {
      evil = std::move(answer);
      answered.Notify();
    });
  });

  // Meanwhile the other one is answered as usual.
  int turns = 0;
  do {
    const auto verb =
        turns % 2 == 0 ? &GuestDriver::Pause : &GuestDriver::Resume;
    EXPECT_THAT((Call<absl::Status>(verb, absl::string_view("good"))), IsOk());
  } while (++turns < 20 || !answered.HasBeenNotified());

  answered.WaitForNotification();
  EXPECT_FALSE(evil.ok());
  EXPECT_LT(ResidentBytes() - before, int64_t{32} << 20);
}

INSTANTIATE_TEST_SUITE_P(Qemu, DriverConformanceTest,
                         testing::Values(MakeRealDriver));

}  // namespace
}  // namespace innkeeper
