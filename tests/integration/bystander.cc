#include "tests/integration/bystander.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace innkeeper {
namespace {

// Often enough to see a stall, and seldom enough to be no load itself.
constexpr absl::Duration kPace = absl::Milliseconds(5);

absl::Duration Percentile(const std::vector<absl::Duration>& sorted,
                          size_t percent) {
  if (sorted.empty()) return absl::InfiniteDuration();
  return sorted[std::min(sorted.size() - 1, sorted.size() * percent / 100)];
}

}  // namespace

Bystander::Bystander(std::shared_ptr<grpc::Channel> channel)
    : caller_(std::move(channel)) {
  const absl::StatusOr<std::vector<v1::Guest>> guests = caller_.List();
  if (!guests.ok()) error_ = guests.status().ToString();
  thread_ = std::thread([this] { Run(); });
}

Bystander::~Bystander() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Bystander::Run() {
  while (!stop_) {
    const absl::Time start = absl::Now();
    const absl::StatusOr<std::vector<v1::Guest>> guests = caller_.List();
    waits_.push_back(absl::Now() - start);
    if (!guests.ok() && error_.empty()) error_ = guests.status().ToString();
    absl::SleepFor(kPace);
  }
}

Bystander::Report Bystander::Stop() {
  stop_ = true;
  thread_.join();
  std::sort(waits_.begin(), waits_.end());
  Report report;
  report.calls = waits_.size();
  report.error = error_;
  report.p50 = Percentile(waits_, 50);
  report.p99 = Percentile(waits_, 99);
  report.worst = Percentile(waits_, 100);
  return report;
}

std::ostream& operator<<(std::ostream& out, const Bystander::Report& report) {
  return out << absl::StrCat(
             report.calls, " calls, p50 ", absl::FormatDuration(report.p50),
             ", p99 ", absl::FormatDuration(report.p99), ", worst ",
             absl::FormatDuration(report.worst),
             report.error.empty() ? "" : ", error: ", report.error);
}

}  // namespace innkeeper
