#include "agent/host/qemu_probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr size_t kMaxOutputBytes = size_t{1} << 20;

// Reads `fd` to its end, until `deadline` or the bound.
std::string Drain(int fd, absl::Time deadline) {
  std::string output;
  char buffer[4096];
  while (output.size() < kMaxOutputBytes) {
    pollfd waiting = {fd, POLLIN, 0};
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration() ||
        poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left))) <=
            0) {
      break;
    }
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got <= 0) break;
    output.append(buffer, static_cast<size_t>(got));
  }
  return output;
}

// What `binary` with `arguments` prints, or nothing if it cannot be run.
std::string RunAndRead(const std::string& binary,
                       std::vector<std::string> arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "";
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  arguments.insert(arguments.begin(), binary);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  char path[] = "PATH=/usr/bin:/bin";
  char* environment[] = {path, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                   O_RDONLY, 0);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, binary.c_str(), &actions, nullptr,
                                 argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return "";
  writer.reset();
  std::string output = Drain(reader.get(), absl::Now() + kTimeout);
  // It has closed its output, exceeded its time or its bound: nothing more is
  // wanted of it.
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return output;
}

// Whether `name` ends in a version, and that version: "pc-q35-7.2" -> 7, 2.
std::pair<int, int> VersionOf(absl::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == absl::string_view::npos) return {-1, -1};
  const std::vector<std::string> parts =
      absl::StrSplit(name.substr(dash + 1), '.');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty() ||
      !absl::ascii_isdigit(parts[0][0]) || !absl::ascii_isdigit(parts[1][0])) {
    return {-1, -1};
  }
  return {atoi(parts[0].c_str()), atoi(parts[1].c_str())};
}

}  // namespace

std::string ParseQemuVersion(absl::string_view text) {
  constexpr absl::string_view kBefore = "QEMU emulator version ";
  const size_t start = text.find(kBefore);
  if (start == absl::string_view::npos) return "";
  const absl::string_view rest = text.substr(start + kBefore.size());
  const size_t end = rest.find_first_not_of("0123456789.");
  return std::string(rest.substr(0, end));
}

std::vector<std::string> ParseMachineTypes(absl::string_view text) {
  std::vector<std::string> names;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view name = line.substr(0, line.find(' '));
    if (name.empty() || name == "Supported" || name == "none") continue;
    names.emplace_back(name);
  }
  std::stable_sort(names.begin(), names.end(),
                   [](const std::string& a, const std::string& b) {
                     return VersionOf(a) > VersionOf(b);
                   });
  return names;
}

absl::StatusOr<QemuFacts> ProbeQemu(const std::string& binary) {
  QemuFacts facts;
  facts.version = ParseQemuVersion(RunAndRead(binary, {"--version"}));
  facts.machine_types =
      ParseMachineTypes(RunAndRead(binary, {"-machine", "help"}));
  if (facts.version.empty() || facts.machine_types.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
                 absl::StrCat("'", binary,
                              "' does not answer like a QEMU; install "
                              "qemu-system-x86 or name another binary"))
        .With("binary", binary)
        .Build();
  }
  return facts;
}

}  // namespace innkeeper
