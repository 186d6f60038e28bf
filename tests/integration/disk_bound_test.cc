// What a guest's own system sees of a disk whose file meets its bound: an error
// of that disk, and nothing else.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/command_line.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/guest/volume_name.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "agent/qmp/connector.h"
#include "agent/qmp/event.h"
#include "agent/qmp/testing/await.h"
#include "agent/qmp/testing/test_session.h"
#include "base/completion.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMiB = 1 << 20;
// A boot without KVM on a busy host.
constexpr absl::Duration kPatience = absl::Minutes(3);

// A guest's serial port.
class Console {
 public:
  explicit Console(const std::string& path)
      : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                      sizeof(address)),
              0);
  }

  void Type(absl::string_view line) {
    EXPECT_THAT(WriteAll(socket_.get(), absl::StrCat(line, "\n")), IsOk());
  }
  // Waits for `text` behind what was waited for before; whether it came.
  bool WaitFor(const std::string& text) {
    const absl::Time deadline = absl::Now() + kPatience;
    size_t at;
    while ((at = said_.find(text)) == std::string::npos) {
      pollfd waiting = {socket_.get(), POLLIN, 0};
      const absl::Duration left = deadline - absl::Now();
      char buffer[4096];
      if (left <= absl::ZeroDuration() ||
          poll(&waiting, 1,
               static_cast<int>(absl::ToInt64Milliseconds(left))) != 1) {
        return false;
      }
      const ssize_t got = read(socket_.get(), buffer, sizeof(buffer));
      if (got <= 0) return false;
      said_.append(buffer, static_cast<size_t>(got));
    }
    said_.erase(0, at + text.size());
    return true;
  }
  const std::string& said() const { return said_; }

 private:
  const UniqueFd socket_;
  std::string said_;
};

class DiskBoundTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const guest = getenv("INNKEEPER_TEST_GUEST");
    ASSERT_NE(guest, nullptr)
        << "INNKEEPER_TEST_GUEST must name the directory that "
           "tests/guest/make-guest has filled";
    ASSERT_THAT(harness_.Start(), IsOk());
    for (const std::string file : {"vmlinuz", "initrd.img"}) {
      fs::copy_file(absl::StrCat(guest, "/", file),
                    absl::StrCat(harness_.pool_dir(), "/", file));
    }
    const auto command_line = ReadFile(absl::StrCat(guest, "/cmdline"), 4096);
    ASSERT_THAT(command_line, IsOk());
    command_line_ = *command_line;
    const std::string disk = harness_.pool_dir() + "/disk.qcow2";
    ASSERT_EQ(
        system(
            absl::StrCat("qemu-img create -q -f qcow2 ", disk, " 64M").c_str()),
        0);
  }

  // The test guest, as the agent would launch it, but for a bound that is too
  // low for its disk.
  LaunchPlan PlanWithBound(int64_t max_file_bytes) {
    GuestRecord record;
    record.id = "full";
    record.uid = MakeUuid();
    record.spec.machine = Machine::kMicrovm;
    record.spec.memory_bytes = 256 * kMiB;
    record.spec.disks = {{{"disks", "disk.qcow2"},
                          DiskFormat::kQcow2,
                          DiskMode::kReadWrite,
                          ""}};
    record.spec.kernel = VolumeName{"disks", "vmlinuz"};
    record.spec.initrd = VolumeName{"disks", "initrd.img"};
    record.spec.kernel_command_line =
        command_line_.substr(0, command_line_.find('\n'));
    absl::StatusOr<CommandLine> line = BuildCommandLine(
        record, {"/usr/bin/qemu-system-x86_64", "microvm", Accel::kTcg},
        {{64 * kMiB, max_file_bytes}});
    EXPECT_THAT(line, IsOk());
    LaunchPlan plan;
    plan.guest = record.id;
    plan.uid = record.uid;
    plan.owner = "user/ada";
    if (line.ok()) {
      plan.argv = std::move(line->argv);
      plan.images = std::move(line->images);
      plan.fds = std::move(line->fds);
    }
    plan.ram_bytes = record.spec.memory_bytes;
    plan.limits = {768 * kMiB, 1000, 64};
    return plan;
  }

  LauncherHarness harness_;
  std::string command_line_;
};

TEST_F(DiskBoundTest, GuestSeesAnErrorOfItsDiskAndGoesOn) {
  constexpr int64_t kBound = 4 * kMiB;
  const auto launched = harness_.Launch(PlanWithBound(kBound));
  ASSERT_THAT(launched, IsOk());
  absl::StatusOr<UniqueFd> socket = Await<absl::StatusOr<UniqueFd>>(
      harness_.loop(), [&](Completion<UniqueFd> done) {
        ConnectMonitor(harness_.loop(),
                       harness_.guest_dir("full") + "/qmp.sock",
                       {launched->pid, launched->unix_uid}, absl::Seconds(20),
                       std::move(done));
      });
  ASSERT_THAT(socket, IsOk());
  TestSession monitor(harness_.loop(), *std::move(socket));
  ASSERT_TRUE(monitor.WaitReady().has_value());
  Console console(harness_.guest_dir("full") + "/console.sock");
  ASSERT_THAT(monitor.Run("cont"), IsOk());
  ASSERT_TRUE(console.WaitFor("guest# ")) << console.said();

  console.Type("dd if=/dev/zero of=/dev/vda bs=1M count=16 conv=fsync");

  ASSERT_TRUE(console.WaitFor("dd: /dev/vda: Input/output error"))
      << console.said();
  ASSERT_TRUE(console.WaitFor("guest# ")) << console.said();
  std::vector<std::string> actions;
  for (const QmpEvent& event : monitor.WaitEvents(monitor.events())) {
    if (event.name == "BLOCK_IO_ERROR") {
      actions.push_back(event.data.value("action", ""));
    }
    EXPECT_NE(event.name, "STOP");
  }
  EXPECT_THAT(actions, testing::AllOf(testing::Not(testing::IsEmpty()),
                                      testing::Each("report")));
  const auto status = monitor.Run("query-status");
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ((*status)["status"], "running");
  EXPECT_LE(fs::file_size(harness_.pool_dir() + "/disk.qcow2"),
            static_cast<uintmax_t>(kBound));
  // What was written stays readable.
  console.Type(
      R"(dd if=/dev/vda of=/dev/null bs=1M count=1 && echo was" "read)");
  EXPECT_TRUE(console.WaitFor("was read")) << console.said();
}

}  // namespace
}  // namespace innkeeper
