// Compares a jailed launch with posix_spawn(3) of the same command line: until
// the program runs, and until QEMU greets on its monitor; and with a jailed
// launch that has a tap besides, for a program that does nothing. Needs root.
// Run it from the workspace's build output: the binaries are found relative to
// it.
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "agent/launcher/testing/test_network.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr int kRounds = 30;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double MillisSince(absl::Time start) {
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

void AwaitGreeting(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  char byte;
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0 ||
      read(fd.get(), &byte, 1) != 1) {
    abort();
  }
}

// The descriptors of QemuPlan() at their numbers, in a process of its own.
pid_t SpawnBare(const LaunchPlan& plan, const std::string& monitor) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  std::vector<UniqueFd> held;
  const auto place = [&](int fd, int number) {
    // Away from the targets first.
    const int high = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    close(fd);
    held.emplace_back(high);
    posix_spawn_file_actions_adddup2(&actions, high, number);
  };
  for (const PlannedFd& fd : plan.fds) {
    if (fd.kind == FdKind::kRam) {
      const int ram = memfd_create("ram", 0);
      if (ftruncate(ram, plan.ram_bytes) != 0) abort();
      place(ram, fd.number);
    } else if (fd.kind == FdKind::kConsole) {
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) abort();
      held.emplace_back(ends[1]);
      place(ends[0], fd.number);
    } else {
      const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
      sockaddr_un address = {};
      address.sun_family = AF_UNIX;
      const std::string path = absl::StrCat(monitor, fd.number);
      unlink(path.c_str());
      path.copy(address.sun_path, sizeof(address.sun_path) - 1);
      if (bind(listener, reinterpret_cast<sockaddr*>(&address),
               sizeof(address)) != 0 ||
          listen(listener, 4) != 0) {
        abort();
      }
      place(listener, fd.number);
    }
  }
  std::vector<char*> argv;
  for (const std::string& argument : plan.argv) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  pid_t pid;
  if (posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ)) {
    abort();
  }
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

long RssKib(int64_t pid) {
  const std::string text =
      ReadFile(absl::StrCat("/proc/", pid, "/status"), 1 << 16).value_or("");
  const size_t at = text.find("VmRSS:");
  return at == std::string::npos ? -1 : atol(text.c_str() + at + 6);
}

// Of a program that does nothing, with a tap or without.
double LaunchSleeper(LauncherHarness& harness, bool tap) {
  LaunchPlan plan = harness.FakePlan("sleeper", {"sleep"});
  if (tap) {
    AddTap("lan", "52:54:00:00:00:0a", {"192.0.2.10", "2001:db8::a"}, 20,
           &plan);
  }
  const absl::Time start = absl::Now();
  if (!harness.Launch(plan).ok()) abort();
  const double took = MillisSince(start);
  if (!harness.Release("sleeper").ok()) abort();
  return took;
}

// Every part of a context that takes the launcher a step, beside a tap.
void AskForEverything(LaunchPlan* plan) {
  AddTap("lan", "52:54:00:00:00:0b", {"192.0.2.11"}, 20, plan);
  LaunchContext& context = plan->context;
  context.groups = {"disks"};
  context.namespaces.user = NamespaceMode::kNew;
  context.namespaces.time = NamespaceMode::kNew;
  context.landlock = LandlockMode::kIfAvailable;
  context.cgroup.slice = "batch";
  context.cgroup.cpu_weight = 50;
  context.cgroup.io_reads_per_second = 1000;
  context.rlimits = {{"nofile", 512}};
  context.nice = 1;
  context.cpu_affinity = "0";
  context.oom_score_adj = 400;
  context.environment = {{"A", "b"}};
}

// Of a QEMU without a guest until it runs, with the usual context, none of
// Landlock, or everything.
enum class Asked { kUsual, kNoLandlock, kEverything };
double LaunchQemu(LauncherHarness& harness, Asked asked) {
  LaunchPlan plan = harness.QemuPlan("asked");
  if (asked == Asked::kEverything) AskForEverything(&plan);
  if (asked == Asked::kNoLandlock) plan.context.landlock = LandlockMode::kOff;
  const absl::Time start = absl::Now();
  const auto launched = harness.Launch(plan);
  if (!launched.ok()) {
    fprintf(stderr, "%s\n", launched.status().ToString().c_str());
    abort();
  }
  const double took = MillisSince(start);
  if (!harness.Release("asked").ok()) abort();
  return took;
}

void RunContexts(LauncherHarness& harness) {
  std::vector<double> took[3];
  for (int i = 0; i < 2 * kRounds; ++i) {
    for (int j = 0; j < 3; ++j) {
      // In turn first, second and third.
      const int asked = (i + j) % 3;
      took[asked].push_back(LaunchQemu(harness, static_cast<Asked>(asked)));
    }
  }
  printf(
      "of a QEMU, by its context: usual %.2f, without Landlock %.2f, "
      "everything %.2f\n",
      Median(took[0]), Median(took[1]), Median(took[2]));
}

void Run() {
  const TestNetwork network;
  LauncherHarness harness;
  if (!harness.Start({}, {network.Flag("lan"), "--context-group=disks=6"}).ok())
    abort();
  std::vector<double> launch, launch_ready, bare, bare_ready, plain, tapped;
  long keeper = 0;
  for (int i = 0; i < kRounds; ++i) {
    const LaunchPlan plan = harness.QemuPlan("bench");
    absl::Time start = absl::Now();
    const auto launched = harness.Launch(plan);
    if (!launched.ok()) abort();
    launch.push_back(MillisSince(start));
    AwaitGreeting(harness.guest_dir("bench") + "/qmp.sock");
    launch_ready.push_back(MillisSince(start));
    keeper = std::max(keeper, RssKib(launched->keeper_pid));
    if (!harness.Release("bench").ok()) abort();

    const std::string monitor = harness.dir() + "/bare";
    start = absl::Now();
    const pid_t pid = SpawnBare(plan, monitor);
    bare.push_back(MillisSince(start));
    AwaitGreeting(monitor + "4");
    bare_ready.push_back(MillisSince(start));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  // By themselves, for a QEMU that has just been killed takes memory apart for
  // a while yet, and in turn first and second.
  for (int i = 0; i < 2 * kRounds; ++i) {
    for (const bool tap : {i % 2 == 0, i % 2 != 0}) {
      (tap ? tapped : plain).push_back(LaunchSleeper(harness, tap));
    }
  }
  printf(
      "median of %d, ms: executed %.2f (posix_spawn %.2f), greeting %.2f "
      "(posix_spawn %.2f)\n",
      kRounds, Median(launch), Median(bare), Median(launch_ready),
      Median(bare_ready));
  printf("of a sleeper: with a tap %.2f, without %.2f\n", Median(tapped),
         Median(plain));
  RunContexts(harness);
  printf("resident, KiB: launcher %ld, keeper %ld\n", RssKib(harness.pid()),
         keeper);
}

}  // namespace
}  // namespace innkeeper

int main() { innkeeper::Run(); }
