// Measures Innkeeper against the least that its work can cost, in one run, and
// prints the ratios. Needs root. See docs/performance.md.
#include <stdio.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/bench_host.h"
#include "bench/leave_nothing.h"
#include "bench/report.h"
#include "bench/scenarios.h"

ABSL_FLAG(std::string, binaries, "", "The build's output directory.");
ABSL_FLAG(bool, quick, false, "A tenth of the rounds.");
ABSL_FLAG(int, port, 17440, "Where the agent listens on the loopback.");
ABSL_FLAG(std::vector<std::string>, only, {},
          "launch, rate, list, hung, many. Default: all.");

namespace innkeeper {
namespace {

bool Wanted(absl::string_view scenario) {
  const std::vector<std::string> only = absl::GetFlag(FLAGS_only);
  if (only.empty()) return true;
  for (const std::string& name : only) {
    if (name == scenario) return true;
  }
  return false;
}

int Main() {
  if (geteuid() != 0) {
    fprintf(stderr, "bench: must be run by root: it starts a launcher\n");
    return 1;
  }
  BenchOptions options;
  options.binaries = absl::GetFlag(FLAGS_binaries);
  options.quick = absl::GetFlag(FLAGS_quick);
  const std::string dir = absl::StrCat("/var/tmp/inn-bench-", getpid());
  return RunAndLeaveNothing(dir, [&options, &dir] {
    const BenchHost host(options.binaries, dir, absl::GetFlag(FLAGS_port));
    PrintHead();
    if (Wanted("launch")) BenchLaunch(host, options);
    if (Wanted("rate")) BenchLaunchRate(host, options);
    if (Wanted("list")) BenchList(host, options);
    if (Wanted("hung")) BenchHung(host, options);
    if (Wanted("many")) BenchManyGuests(host, options);
  });
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return innkeeper::Main();
}
