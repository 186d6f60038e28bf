#include <signal.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/bench_host.h"
#include "bench/libvirt_host.h"
#include "bench/list_server_process.h"
#include "bench/report.h"
#include "bench/scenarios.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int64_t kMemoryBytes = int64_t{32} << 20;

std::string Id(int i) { return absl::StrCat("many-", i); }

void LaunchUpTo(const BenchHost& host, int from, int to) {
  for (int i = from; i < to; ++i) {
    host.caller().Launch(BenchGuest(Id(i), v1::GuestSpec::MICROVM, kMemoryBytes,
                                    /*paused=*/true));
  }
}

// From the exec of a new agent until it has listed `guests` guests.
void MeasureRestart(const BenchHost& host, int guests, Samples* samples) {
  const pid_t old = host.agent_pid();
  kill(old, SIGKILL);
  const absl::Time deadline = absl::Now() + kPatience;
  pid_t fresh = 0;
  while (fresh == 0 || fresh == old) {
    if (absl::Now() > deadline) {
      Require(absl::DeadlineExceededError("no new agent"), "restart");
    }
    fresh = host.agent_pid();
  }
  const absl::Time start = absl::Now();
  // A channel that has failed waits before it tries again: one for each try.
  while (BenchCaller(host.LocalChannel()).TryList() != guests) {
    if (absl::Now() > deadline) {
      Require(absl::DeadlineExceededError("no complete list"), "restart");
    }
  }
  samples->AddSince(start);
}

}  // namespace

void BenchManyGuests(const BenchHost& host, const BenchOptions& options) {
  const int guests = options.quick ? 20 : 100;
  const int few = guests / 10;
  LaunchUpTo(host, 0, few);
  const pid_t agent = host.agent_pid();
  const int64_t rss_few = StatusValue(agent, "VmRSS:");
  const int64_t threads_few = StatusValue(agent, "Threads:");
  LaunchUpTo(host, few, guests);
  const int64_t rss = StatusValue(agent, "VmRSS:");
  const int64_t threads = StatusValue(agent, "Threads:");
  const ListServerProcess bare(options.binaries, host.server_files(), true, 0);
  const BenchCaller caller(Connect(bare.address(), host.client_files()));
  for (int i = 0; i < guests; ++i) caller.List();
  const int64_t bare_rss = StatusValue(bare.pid(), "VmRSS:");
  Print({"", absl::StrCat("agent's RSS, ", guests, " guests / bare gRPC"),
         static_cast<double>(rss) / 1024, static_cast<double>(bare_rss) / 1024,
         "MiB", 1, 1.5, 1.5});
  PrintNote(absl::StrFormat(
      "RSS for each guest from %d to %d: %.1f KiB (at most 20); threads %d, "
      "then %d",
      few, guests,
      static_cast<double>(rss - rss_few) / static_cast<double>(guests - few),
      threads_few, threads));

  LibvirtHost libvirt(host.dir() + "/libvirt");
  pid_t libvirt_victim = 0;
  for (int i = 0; i < guests; ++i) {
    libvirt_victim = libvirt.Launch(Id(i), kMemoryBytes);
  }
  Samples healthy;
  Samples hung;
  Samples theirs;
  const pid_t victim =
      static_cast<pid_t>(host.caller().Get(Id(0)).process().pid());
  for (int i = 0; i < options.Rounds(10); ++i) {
    MeasureRestart(host, guests, &healthy);
    kill(victim, SIGSTOP);
    MeasureRestart(host, guests, &hung);
    kill(victim, SIGCONT);
    kill(libvirt_victim, SIGSTOP);
    theirs.Add(absl::ToDoubleMilliseconds(libvirt.Restart(guests)));
    kill(libvirt_victim, SIGCONT);
  }
  Print({"G17", absl::StrCat("restart, ", guests, " guests, 1 hung / libvirtd"),
         hung.Median(), theirs.Median(), "ms", hung.size(), 0.5, 0.2});
  Print({"", "restart, one hung / none", hung.Median(), healthy.Median(), "ms",
         hung.size(), 1.2, 1.05});
}

}  // namespace innkeeper
