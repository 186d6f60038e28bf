// Samples, and the table that is made of them.
#ifndef INNKEEPER_BENCH_REPORT_H_
#define INNKEEPER_BENCH_REPORT_H_

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// Measurements of one thing. Not thread-safe.
class Samples {
 public:
  void Add(double value) { values_.push_back(value); }
  // Since `start`, in ms.
  void AddSince(absl::Time start);
  size_t size() const { return values_.size(); }
  // 0 if there are none. `rank` 0.5 is the median.
  double Percentile(double rank) const;
  double Median() const { return Percentile(0.5); }

 private:
  std::vector<double> values_;
};

// One line: ours over the floor's.
struct Row {
  std::string goal;
  std::string what;
  double ours = 0;
  double floor = 0;
  std::string unit;
  size_t count = 0;
  // 0: there is no target. `more` is better for rates.
  double must = 0;
  double aim = 0;
  bool more = false;
};

// Prints a line of the table; PrintHead() comes first.
void PrintHead();
void Print(const Row& row);
// Prints a line that is no ratio.
void PrintNote(absl::string_view text);

// A benchmark that cannot go on ends: what failed, and status 1.
void Require(const absl::Status& status, absl::string_view what);

template <typename T>
T Require(absl::StatusOr<T> result, absl::string_view what) {
  Require(result.status(), what);
  return *std::move(result);
}

}  // namespace innkeeper

#endif  // INNKEEPER_BENCH_REPORT_H_
