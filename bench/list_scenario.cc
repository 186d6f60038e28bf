#include <memory>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/bench_host.h"
#include "bench/list_server_process.h"
#include "bench/report.h"
#include "bench/scenarios.h"

namespace innkeeper {
namespace {

constexpr int kGuests = 1000;

}  // namespace

void BenchList(const BenchHost& host, const BenchOptions& options) {
  const ListServerProcess ours(options.binaries, host.server_files(), false,
                               kGuests);
  const ListServerProcess bare(options.binaries, host.server_files(), true,
                               kGuests);
  const BenchCaller ours_caller(Connect(ours.address(), host.client_files()));
  const BenchCaller bare_caller(Connect(bare.address(), host.client_files()));
  // The same bytes, or the comparison is none.
  if (ours_caller.List().SerializeAsString() !=
      bare_caller.List().SerializeAsString()) {
    Require(absl::InternalError("the answers differ"), "list");
  }
  Samples ours_samples;
  Samples bare_samples;
  for (int i = 0; i < options.Rounds(1000); ++i) {
    absl::Time start = absl::Now();
    ours_caller.List();
    ours_samples.AddSince(start);
    start = absl::Now();
    bare_caller.List();
    bare_samples.AddSince(start);
  }
  Print({"", "list 1,000 guests / bare gRPC, p50", ours_samples.Median(),
         bare_samples.Median(), "ms", ours_samples.size(), 1.5, 1.1});
  Print({"", "list 1,000 guests / bare gRPC, p99",
         ours_samples.Percentile(0.99), bare_samples.Percentile(0.99), "ms",
         ours_samples.size()});
}

}  // namespace innkeeper
