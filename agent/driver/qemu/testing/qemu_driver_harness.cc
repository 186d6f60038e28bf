#include "agent/driver/qemu/testing/qemu_driver_harness.h"

#include <sys/stat.h>
#include <sys/wait.h>
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
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/host/host_facts.h"
#include "agent/qmp/testing/await.h"
#include "agent/store/guest_record_codec.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr char kGuest[] = "web";

// The pid of a process that has ended: the next one to have it is far off.
int64_t MakeDeadPid() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

QemuDriverHarness::QemuDriverHarness() {
  // A socket's path is short; that of the test's directory need not be.
  char path[] = "/tmp/ik-XXXXXX";
  if (mkdtemp(path) == nullptr) abort();
  directory_ = path;
  std::filesystem::create_directories(directory() + "/log");
  dead_pid_ = MakeDeadPid();
  monitor_.Reply("query-status", {{"status", "prelaunch"}, {"running", false}});
  for (const char* command :
       {"cont", "stop", "system_powerdown", "system_reset"}) {
    monitor_.Reply(command, nlohmann::json::object());
  }
  spawner_.SetProcess(getpid(), dead_pid_, getuid());
  spawner_.SetLaunchHook([this](const LaunchPlan&) {
    if (listens) {
      EXPECT_THAT(monitor_.Listen(directory() + "/qmp.sock"), IsOk());
    }
    if (at_launch) at_launch();
  });
}

QemuDriverHarness::~QemuDriverHarness() {
  loop_.PostAndWait([this] { driver_.reset(); });
  std::filesystem::remove_all(directory_);
}

GuestDriver& QemuDriverHarness::driver() {
  if (driver_ == nullptr) {
    planner_ = std::make_unique<LaunchPlanner>(
        LaunchPlanner::Parts{&loop_,
                             &executor_,
                             &spawner_,
                             "/usr/bin/qemu-system-x86_64",
                             {"pc-q35-7.2", "microvm"},
                             /*kvm=*/false,
                             "there is no /dev/kvm"});
    driver_ = std::make_unique<QemuDriver>(QemuDriver::Parts{
        &loop_, &spawner_, planner_.get(), directory_, "boot", timings});
    driver_->SetEventSink(&sink_);
  }
  return *driver_;
}

GuestRecord QemuDriverHarness::Record() const {
  GuestRecord record;
  record.id = kGuest;
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.owner = "user/ada";
  record.spec.memory_bytes = int64_t{64} << 20;
  record.spec_digest = SpecDigest(record.spec);
  return record;
}

absl::StatusOr<DriverGuest> QemuDriverHarness::Launch(
    const GuestRecord& record) {
  return Await<absl::StatusOr<DriverGuest>>(
      &loop_, [&](Completion<DriverGuest> done) {
        driver().Launch(record, std::move(done));
      });
}

absl::StatusOr<DriverGuest> QemuDriverHarness::Adopt(bool let_run) {
  return Await<absl::StatusOr<DriverGuest>>(
      &loop_, [&](Completion<DriverGuest> done) {
        driver().Adopt(Record(), let_run, std::move(done));
      });
}

absl::StatusOr<std::vector<FoundGuest>> QemuDriverHarness::Find() {
  return Await<absl::StatusOr<std::vector<FoundGuest>>>(
      &loop_, [&](Completion<std::vector<FoundGuest>> done) {
        driver().Find(std::move(done));
      });
}

absl::StatusOr<LaunchExplanation> QemuDriverHarness::Explain(
    const GuestRecord& record) {
  return Await<absl::StatusOr<LaunchExplanation>>(
      &loop_, [&](Completion<LaunchExplanation> done) {
        driver().Explain(record, std::move(done));
      });
}

absl::Status QemuDriverHarness::Call(
    void (GuestDriver::*method)(absl::string_view, StatusCompletion)) {
  return Await<absl::Status>(&loop_, [&](StatusCompletion done) {
    (driver().*method)(kGuest, std::move(done));
  });
}

absl::StatusOr<std::string> QemuDriverHarness::ConsolePath() {
  absl::StatusOr<std::string> path = absl::UnknownError("not called");
  loop_.PostAndWait([&] { path = driver().ConsolePath(kGuest); });
  return path;
}

void QemuDriverHarness::Settle() {
  // What runs posts more; nothing here is longer than a few rounds.
  for (int round = 0; round < 4; ++round) {
    loop_.PostAndWait([] {});
  }
}

void QemuDriverHarness::AddEarlierGuest() {
  KnownGuest guest;
  guest.guest = kGuest;
  guest.uid = Record().uid;
  GuestRecord manifest = Record();
  manifest.resolved_machine_type = "pc-q35-7.2";
  manifest.accel_used = Accel::kTcg;
  guest.manifest = SerializeGuestRecord(manifest);
  guest.running = true;
  guest.pid = getpid();
  guest.keeper_pid = dead_pid_;
  guest.unix_uid = guest.unix_gid = getuid();
  guest.start_time_ticks = ReadStartTimeTicks(getpid()).value_or(0);
  spawner_.AddGuest(std::move(guest));
  if (listens) {
    EXPECT_THAT(monitor_.Listen(directory() + "/qmp.sock"), IsOk());
  }
}

void QemuDriverHarness::WriteExitRecord(absl::string_view kind, int value) {
  EXPECT_THAT(WriteFileAtomically(
                  directory() + "/log/exit",
                  absl::StrCat(R"({"kind":")", kind, R"(","value":)", value,
                               R"(,"time_unix_ms":1800000000123})"),
                  0640),
              IsOk());
}

void QemuDriverHarness::WriteErrorText(absl::string_view text) {
  EXPECT_THAT(WriteFileAtomically(directory() + "/log/stderr.log", text, 0640),
              IsOk());
}

}  // namespace innkeeper
