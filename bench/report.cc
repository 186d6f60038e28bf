#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace innkeeper {
namespace {

std::string Verdict(const Row& row, double ratio) {
  if (row.must == 0) return "";
  const auto meets = [&](double target) {
    return row.more ? ratio >= target : ratio <= target;
  };
  return meets(row.aim) ? "aim" : meets(row.must) ? "must" : "missed";
}

}  // namespace

void Samples::AddSince(absl::Time start) {
  Add(absl::ToDoubleMilliseconds(absl::Now() - start));
}

double Samples::Percentile(double rank) const {
  if (values_.empty()) return 0;
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const size_t at =
      static_cast<size_t>(std::ceil(rank * static_cast<double>(sorted.size())));
  return sorted[std::min(sorted.size() - 1, at == 0 ? 0 : at - 1)];
}

void PrintHead() {
  absl::PrintF("%-4s %-46s %10s %10s %7s %5s %6s %6s  %s\n", "", "", "ours",
               "floor", "ratio", "n", "must", "aim", "met");
}

void Print(const Row& row) {
  const double ratio = row.floor == 0 ? 0 : row.ours / row.floor;
  const auto target = [](double value) {
    return value == 0 ? std::string("-") : absl::StrFormat("%.2f", value);
  };
  absl::PrintF("%-4s %-46s %10.2f %10.2f %7.2f %5d %6s %6s  %s\n", row.goal,
               row.what + ", " + row.unit, row.ours, row.floor, ratio,
               row.count, target(row.must), target(row.aim),
               Verdict(row, ratio));
  fflush(stdout);
}

void PrintNote(absl::string_view text) {
  absl::PrintF("     %s\n", text);
  fflush(stdout);
}

void Require(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return;
  absl::FPrintF(stderr, "bench: %s: %s\n", what, status.ToString());
  exit(1);
}

}  // namespace innkeeper
