// Starts the real QEMU with the arguments that BuildCommandLine makes.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/command_line.h"
#include "agent/guest/guest_record.h"
#include "agent/guest/guest_spec.h"
#include "agent/launch/launch_plan.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";

GuestRecord Record(Machine machine) {
  GuestRecord record;
  record.id = "web";
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.spec.machine = machine;
  record.spec.vcpu_count = 2;
  record.spec.memory_bytes = int64_t{64} << 20;
  // As many as there may be, the written one first.
  record.spec.disks = {
      {{"p", "data"}, DiskFormat::kRaw, DiskMode::kReadWrite, "serial-1"}};
  for (int i = 1; i < 8; ++i) {
    record.spec.disks.push_back(
        {{"p", "base"},
         DiskFormat::kQcow2,
         i % 2 == 0 ? DiskMode::kReadOnly : DiskMode::kEphemeral,
         ""});
  }
  return record;
}

// One QEMU and the other ends of what it was given. Ended by the destructor.
class Qemu {
 public:
  Qemu(const std::string& directory, const CommandLine& line,
       int64_t ram_bytes) {
    const std::string suffix = absl::StrCat(getpid(), "-", ++count_);
    socket_path_ = absl::StrCat(directory, "/q", suffix);
    stderr_path_ = absl::StrCat(directory, "/e", suffix);
    Spawn(directory, line, ram_bytes);
  }
  ~Qemu() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  // The exit status; -1 if it still runs after `limit`.
  int WaitForExit(absl::Duration limit) {
    const absl::Time end = absl::Now() + limit;
    while (absl::Now() < end) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = 0;
        return status;
      }
      poll(nullptr, 0, 20);
    }
    return -1;
  }
  std::string Errors() { return *ReadFile(stderr_path_, 1 << 20); }

  // Connects to the first monitor and takes its greeting.
  std::string Connect() {
    monitor_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = Address();
    if (connect(monitor_.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof(address)) != 0) {
      return "";
    }
    std::string greeting = ReadUntil("\n");
    Execute(R"({"execute":"qmp_capabilities"})");
    return greeting;
  }
  // The answer, with the events before it.
  std::string Execute(const std::string& command) {
    EXPECT_THAT(WriteAll(monitor_.get(), command), IsOk());
    std::string answer;
    do {
      const std::string more = ReadUntil("\n");
      if (more.empty()) return answer;
      answer += more;
    } while (!absl::StrContains(answer, "\"return\"") &&
             !absl::StrContains(answer, "\"error\""));
    return answer;
  }

 private:
  sockaddr_un Address() {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    socket_path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
  }

  UniqueFd Make(const std::string& directory, const CommandLine& line,
                const PlannedFd& fd, int64_t ram_bytes) {
    switch (fd.kind) {
      case FdKind::kConsole: {
        int ends[2] = {-1, -1};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        console_ = UniqueFd(ends[0]);
        return UniqueFd(ends[1]);
      }
      case FdKind::kQmp:
      case FdKind::kBreakGlass: {
        UniqueFd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address = Address();
        // An autobound name does for the second monitor.
        const socklen_t size =
            fd.kind == FdKind::kQmp ? sizeof(address) : sizeof(sa_family_t);
        EXPECT_EQ(bind(made.get(), reinterpret_cast<sockaddr*>(&address), size),
                  0);
        EXPECT_EQ(listen(made.get(), 1), 0);
        return made;
      }
      case FdKind::kRam: {
        UniqueFd made(memfd_create("ram", MFD_CLOEXEC));
        EXPECT_EQ(ftruncate(made.get(), ram_bytes), 0);
        return made;
      }
      case FdKind::kImage: {
        const PlannedImage& image = line.images[fd.index];
        return UniqueFd(open(absl::StrCat(directory, "/", image.name).c_str(),
                             (image.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
      }
      case FdKind::kOverlay: {
        // An empty image of the right size, made as the base was.
        const std::string copy = absl::StrCat(directory, "/o", fd.index);
        EXPECT_THAT(
            WriteFileAtomically(
                copy, *ReadFile(absl::StrCat(directory, "/base"), 1 << 24),
                0600),
            IsOk());
        return UniqueFd(open(copy.c_str(), O_RDWR | O_CLOEXEC));
      }
      case FdKind::kTapQueue:
        ADD_FAILURE() << "these guests have no network";
        break;
      case FdKind::kFirmwareCode:
        return UniqueFd(open("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
                             O_RDONLY | O_CLOEXEC));
      case FdKind::kFirmwareVariables: {
        const std::string copy = absl::StrCat(directory, "/variables");
        EXPECT_THAT(
            WriteFileAtomically(
                copy, *ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd", 1 << 24),
                0600),
            IsOk());
        return UniqueFd(open(copy.c_str(), O_RDWR | O_CLOEXEC));
      }
    }
    return UniqueFd();
  }

  void Spawn(const std::string& directory, const CommandLine& line,
             int64_t ram_bytes) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, stderr_path_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    std::vector<UniqueFd> fds;
    for (const PlannedFd& fd : line.fds) {
      const UniqueFd made = Make(directory, line, fd, ram_bytes);
      // Out of the way of the numbers that QEMU is to see.
      fds.emplace_back(fcntl(made.get(), F_DUPFD_CLOEXEC, 100));
      ASSERT_TRUE(fds.back().valid());
      posix_spawn_file_actions_adddup2(&actions, fds.back().get(), fd.number);
    }
    std::vector<std::string> arguments = line.argv;
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    char* const envp[] = {nullptr};
    ASSERT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp),
              0);
    posix_spawn_file_actions_destroy(&actions);
  }

  std::string ReadUntil(const std::string& end) {
    std::string text;
    char c = 0;
    pollfd ready = {monitor_.get(), POLLIN, 0};
    while (!absl::StrContains(text, end)) {
      if (poll(&ready, 1, 30000) != 1) return "";
      if (read(monitor_.get(), &c, 1) != 1) return "";
      text += c;
    }
    return text;
  }

  inline static int count_ = 0;
  std::string socket_path_;
  std::string stderr_path_;
  UniqueFd console_;
  UniqueFd monitor_;
  pid_t pid_ = 0;
};

class CommandLineLiveTest : public testing::TestWithParam<Machine> {
 protected:
  CommandLineLiveTest() : directory_("/tmp/inn.XXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    const std::string base = absl::StrCat(directory_, "/base");
    EXPECT_EQ(system(absl::StrCat("/usr/bin/qemu-img create -q -f qcow2 ", base,
                                  " 1M")
                         .c_str()),
              0);
    EXPECT_THAT(WriteFileAtomically(absl::StrCat(directory_, "/data"),
                                    std::string(1 << 20, '\0'), 0600),
                IsOk());
    GuestRecord record = Record(GetParam());
    if (GetParam() == Machine::kQ35) {
      record.spec.memory_bytes = kMinUefiMemoryBytes;
      record.spec.firmware = Firmware::kUefiSecureBoot;
    }
    const auto line = BuildCommandLine(
        record,
        {kQemu, GetParam() == Machine::kQ35 ? "pc-q35-7.2" : "microvm",
         Accel::kTcg},
        std::vector<DiskSize>(record.spec.disks.size(), {1 << 20, 1 << 20}));
    EXPECT_THAT(line, IsOk());
    line_ = *line;
    ram_bytes_ = record.spec.memory_bytes;
  }
  ~CommandLineLiveTest() override {
    EXPECT_EQ(system(absl::StrCat("rm -rf ", directory_).c_str()), 0);
  }

  std::string directory_;
  CommandLine line_;
  int64_t ram_bytes_ = 0;
};

TEST_P(CommandLineLiveTest, QemuStartsStoppedWithTheGraphAsSpelledOut) {
  Qemu qemu(directory_, line_, ram_bytes_);

  EXPECT_THAT(qemu.Connect(), HasSubstr("\"QMP\"")) << qemu.Errors();
  EXPECT_THAT(qemu.Execute(R"({"execute":"query-status"})"),
              HasSubstr("\"running\": false"));
  EXPECT_THAT(qemu.Execute(R"({"execute":"query-uuid"})"),
              HasSubstr("3f2504e0-4f89-41d3-9a0c-0305e82c3301"));
  const std::string nodes =
      qemu.Execute(R"({"execute":"query-named-block-nodes"})");
  for (const char* node : {"disk0-file", "disk0", "disk1-base-file",
                           "disk1-base", "disk1-file", "disk1", "disk7"}) {
    EXPECT_THAT(nodes,
                HasSubstr(absl::StrCat("\"node-name\": \"", node, "\"")));
  }
  EXPECT_EQ(qemu.Errors(), "");
  EXPECT_THAT(qemu.Execute(R"({"execute":"quit"})"), HasSubstr("return"));
  EXPECT_EQ(qemu.WaitForExit(absl::Seconds(30)), 0);
}

TEST_P(CommandLineLiveTest, ASecondQemuOnAWrittenImageIsRefusedByItsLock) {
  Qemu first(directory_, line_, ram_bytes_);
  ASSERT_THAT(first.Connect(), HasSubstr("\"QMP\"")) << first.Errors();

  Qemu second(directory_, line_, ram_bytes_);

  EXPECT_NE(second.WaitForExit(absl::Seconds(30)), 0);
  EXPECT_THAT(second.Errors(), HasSubstr("lock"));
  EXPECT_THAT(second.Errors(), Not(HasSubstr("lock probing")));
}

INSTANTIATE_TEST_SUITE_P(Machines, CommandLineLiveTest,
                         testing::Values(Machine::kQ35, Machine::kMicrovm),
                         [](const testing::TestParamInfo<Machine>& info) {
                           return std::string(
                               info.param == Machine::kQ35 ? "Q35" : "Microvm");
                         });

}  // namespace
}  // namespace innkeeper
