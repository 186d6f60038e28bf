#include "agent/lease/lease_file.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/net_address.h"

namespace innkeeper {
namespace {

// The time that the kernel can tell ends before this.
constexpr int64_t kLastSecond = int64_t{1} << 40;

std::optional<Lease> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::MaxSplits(' ', 3));
  if (words.size() < 3) return std::nullopt;
  int64_t seconds = 0;
  const std::optional<MacAddress> mac = ParseMac(words[1]);
  const std::optional<std::string> address = ParseIp(words[2]);
  if (!absl::SimpleAtoi(words[0], &seconds) || seconds < 0 ||
      seconds > kLastSecond || !mac.has_value() || !address.has_value() ||
      !IsUnicastIp(*address)) {
    return std::nullopt;
  }
  Lease lease;
  lease.mac = *mac;
  lease.address = FormatIp(*address);
  lease.expiry =
      seconds == 0 ? absl::InfiniteFuture() : absl::FromUnixSeconds(seconds);
  return lease;
}

}  // namespace

std::vector<Lease> ParseLeases(absl::string_view text) {
  std::vector<Lease> leases;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (leases.size() == kMaxLeases) break;
    std::optional<Lease> lease = ParseLine(line);
    if (lease.has_value()) leases.push_back(*std::move(lease));
  }
  return leases;
}

}  // namespace innkeeper
