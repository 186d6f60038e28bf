// What is measured. Each prints its lines as soon as it has them.
#ifndef INNKEEPER_BENCH_SCENARIOS_H_
#define INNKEEPER_BENCH_SCENARIOS_H_

#include <string>

#include "bench/bench_host.h"

namespace innkeeper {

struct BenchOptions {
  // The build's output.
  std::string binaries;
  // A tenth of the rounds: to see that everything runs.
  bool quick = false;

  int Rounds(int full) const { return quick ? (full + 9) / 10 : full; }
};

// G1 and G5: launch and forced stop, one at a time.
void BenchLaunch(const BenchHost& host, const BenchOptions& options);
// G2: eight launches at once.
void BenchLaunchRate(const BenchHost& host, const BenchOptions& options);
// The list of 1,000 guests.
void BenchList(const BenchHost& host, const BenchOptions& options);
// G10: some guests are hung.
void BenchHung(const BenchHost& host, const BenchOptions& options);
// The agent's memory and threads with many guests; then G17: its restart.
void BenchManyGuests(const BenchHost& host, const BenchOptions& options);

}  // namespace innkeeper

#endif  // INNKEEPER_BENCH_SCENARIOS_H_
