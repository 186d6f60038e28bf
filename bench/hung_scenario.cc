#include <signal.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/bench_host.h"
#include "bench/report.h"
#include "bench/scenarios.h"

namespace innkeeper {
namespace {

constexpr int kGuests = 20;
constexpr int kHung = 2;
constexpr int kCalls = 100;

std::string Id(int i) { return absl::StrCat("hung-", i); }

struct HungSamples {
  Samples list;
  Samples command;
};

// One round; meanwhile somebody calls the guests that may hang, too.
void RunRound(const BenchHost& host, const std::vector<pid_t>& pids, bool hang,
              HungSamples* samples) {
  if (hang) {
    for (int i = 0; i < kHung; ++i) kill(pids[i], SIGSTOP);
  }
  std::vector<std::thread> callers;
  callers.reserve(kHung);
  for (int i = 0; i < kHung; ++i) {
    callers.emplace_back([&host, i] { host.caller().TryPause(Id(i)); });
  }
  for (int i = 0; i < kCalls; ++i) {
    absl::Time start = absl::Now();
    host.caller().List();
    samples->list.AddSince(start);
    const std::string id = Id(kHung + i % (kGuests - kHung));
    start = absl::Now();
    host.caller().Resume(id);
    samples->command.AddSince(start);
    start = absl::Now();
    host.caller().Pause(id);
    samples->command.AddSince(start);
  }
  for (int i = 0; i < kHung; ++i) kill(pids[i], SIGCONT);
  for (std::thread& caller : callers) caller.join();
}

}  // namespace

void BenchHung(const BenchHost& host, const BenchOptions& options) {
  std::vector<pid_t> pids;
  for (int i = 0; i < kGuests; ++i) {
    host.caller().Launch(BenchGuest(Id(i), v1::GuestSpec::MICROVM,
                                    int64_t{32} << 20, /*paused=*/true));
    pids.push_back(
        static_cast<pid_t>(host.caller().Get(Id(i)).process().pid()));
  }
  HungSamples none;
  HungSamples some;
  for (int round = 0; round < options.Rounds(20); ++round) {
    RunRound(host, pids, false, &none);
    RunRound(host, pids, true, &some);
  }
  Print({"G10", "list, 2 of 20 hung / none, p99", some.list.Percentile(0.99),
         none.list.Percentile(0.99), "ms", some.list.size(), 1.3, 1.05});
  Print({"", "list, 2 of 20 hung / none, p50", some.list.Median(),
         none.list.Median(), "ms", some.list.size()});
  Print({"G10", "other guests' calls, hung / none, p99",
         some.command.Percentile(0.99), none.command.Percentile(0.99), "ms",
         some.command.size(), 1.3, 1.05});
  Print({"", "other guests' calls, hung / none, p50", some.command.Median(),
         none.command.Median(), "ms", some.command.size()});
  for (int i = 0; i < kGuests; ++i) {
    host.caller().Stop(Id(i));
    host.caller().Delete(Id(i));
  }
}

}  // namespace innkeeper
