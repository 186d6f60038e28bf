#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "bench/bench_host.h"
#include "bench/raw_qemu.h"
#include "bench/report.h"
#include "bench/scenarios.h"

namespace innkeeper {
namespace {

constexpr int64_t kMemoryBytes = int64_t{128} << 20;
constexpr int kAtOnce = 8;

struct LaunchSamples {
  Samples launch;
  Samples stop;
  Samples reaped;
  Samples kill;
};

// When process `pid` was gone, its zombie too.
absl::Time AwaitReaped(pid_t pid) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) Require(ErrnoError(errno, "pidfd_open"), "stop");
  pollfd ended = {process.get(), POLLIN, 0};
  while (poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  while (kill(pid, 0) == 0) {
  }
  return absl::Now();
}

void LaunchOurs(const BenchHost& host, const v1::LaunchGuestRequest& request,
                LaunchSamples* samples) {
  absl::Time start = absl::Now();
  host.caller().Launch(request);
  samples->launch.AddSince(start);
  host.caller().Pause(request.guest_id());
  const v1::Guest guest = host.caller().Get(request.guest_id());
  const pid_t pid = static_cast<pid_t>(guest.process().pid());
  absl::Time reaped;
  std::thread watcher([pid, &reaped] { reaped = AwaitReaped(pid); });
  start = absl::Now();
  host.caller().Stop(request.guest_id());
  samples->stop.AddSince(start);
  watcher.join();
  samples->reaped.Add(absl::ToDoubleMilliseconds(reaped - start));
  host.caller().Delete(request.guest_id());
}

void LaunchRaw(const BenchHost& host, const RawPlan& plan, bool quit,
               LaunchSamples* samples) {
  absl::Time start = absl::Now();
  RawQemu qemu(plan, host.dir(), "raw");
  qemu.Greet();
  qemu.Execute("cont");
  samples->launch.AddSince(start);
  qemu.Execute("stop");
  start = absl::Now();
  quit ? qemu.Quit() : qemu.Kill();
  (quit ? samples->stop : samples->kill).AddSince(start);
}

void BenchMachine(const BenchHost& host, const BenchOptions& options,
                  v1::GuestSpec::Machine machine) {
  const v1::LaunchGuestRequest request =
      BenchGuest("bench", machine, kMemoryBytes, /*paused=*/false);
  const RawPlan plan = host.caller().Explain(request);
  const std::string name = machine == v1::GuestSpec::Q35 ? "q35" : "microvm";
  LaunchSamples ours;
  LaunchSamples raw;
  LaunchSamples warm;
  LaunchOurs(host, request, &warm);
  LaunchRaw(host, plan, true, &warm);
  for (int i = 0; i < options.Rounds(40); ++i) {
    LaunchOurs(host, request, &ours);
    LaunchRaw(host, plan, i % 2 == 0, &raw);
  }
  Print({"G1", "launch " + name + ", p50", ours.launch.Median(),
         raw.launch.Median(), "ms", ours.launch.size(), 1.25, 1.15});
  Print({"", "launch " + name + ", p99", ours.launch.Percentile(0.99),
         raw.launch.Percentile(0.99), "ms", ours.launch.size()});
  Print({"G5", "forced stop to reaped, " + name + " / quit, p50",
         ours.reaped.Median(), raw.stop.Median(), "ms", raw.stop.size(), 1.3,
         1.1});
  Print({"", "forced stop to reaped, " + name + " / SIGKILL, p50",
         ours.reaped.Median(), raw.kill.Median(), "ms", raw.kill.size()});
  Print({"", "forced stop to STOPPED, " + name + " / quit, p50",
         ours.stop.Median(), raw.stop.Median(), "ms", raw.stop.size()});
}

// Launches kAtOnce guests at once; all of them together, in ms.
void RunAtOnce(const std::vector<std::function<void()>>& jobs,
               Samples* samples) {
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  threads.reserve(jobs.size());
  for (const auto& job : jobs) threads.emplace_back(job);
  for (std::thread& thread : threads) thread.join();
  samples->AddSince(start);
}

}  // namespace

void BenchLaunch(const BenchHost& host, const BenchOptions& options) {
  BenchMachine(host, options, v1::GuestSpec::Q35);
  BenchMachine(host, options, v1::GuestSpec::MICROVM);
}

void BenchLaunchRate(const BenchHost& host, const BenchOptions& options) {
  Samples ours;
  Samples raw;
  const RawPlan plan = host.caller().Explain(
      BenchGuest("bench", v1::GuestSpec::Q35, kMemoryBytes, true));
  const int rounds = options.Rounds(20);
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::function<void()>> jobs;
    jobs.reserve(kAtOnce);
    for (int i = 0; i < kAtOnce; ++i) {
      jobs.push_back([&host, i] {
        host.caller().Launch(BenchGuest(absl::StrCat("bench-", i),
                                        v1::GuestSpec::Q35, kMemoryBytes,
                                        /*paused=*/true));
      });
    }
    RunAtOnce(jobs, &ours);
    for (int i = 0; i < kAtOnce; ++i) {
      host.caller().Stop(absl::StrCat("bench-", i));
      host.caller().Delete(absl::StrCat("bench-", i));
    }
    std::vector<std::unique_ptr<RawQemu>> guests(kAtOnce);
    jobs.clear();
    for (int i = 0; i < kAtOnce; ++i) {
      jobs.push_back([&host, &plan, &guests, i] {
        guests[i] = std::make_unique<RawQemu>(plan, host.dir(),
                                              absl::StrCat("raw-", i));
        guests[i]->Greet();
      });
    }
    RunAtOnce(jobs, &raw);
  }
  Print({"G2", "launches, 8 at once (paused q35)",
         kAtOnce * 1000 / ours.Median(), kAtOnce * 1000 / raw.Median(), "1/s",
         ours.size() * kAtOnce, 0.80, 0.95, true});
}

}  // namespace innkeeper
