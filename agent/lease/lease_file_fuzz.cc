// Feeds arbitrary bytes to the parser of leases, and checks that whatever it
// takes is an address in its own form, within the bound.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/lease/lease_file.h"
#include "base/net_address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace innkeeper;  // NOLINT(google-build-using-namespace)
  const std::vector<Lease> leases =
      ParseLeases(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (leases.size() > kMaxLeases) abort();
  for (const Lease& lease : leases) {
    const std::optional<std::string> address = ParseIp(lease.address);
    if (!address.has_value() || FormatIp(*address) != lease.address) abort();
    if (ParseMac(FormatMac(lease.mac)) != lease.mac) abort();
  }
  return 0;
}
