// The leases that a DHCP server has given, as dnsmasq writes them down.
#ifndef INNKEEPER_AGENT_LEASE_LEASE_FILE_H_
#define INNKEEPER_AGENT_LEASE_LEASE_FILE_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/net_address.h"

namespace innkeeper {

struct Lease {
  MacAddress mac = {};
  std::string address;  // As FormatIp() writes it.
  absl::Time expiry;    // InfiniteFuture() for one that has no end.
};

// The addresses that leases give, as text, by network ("lan") and by the MAC
// address that has them.
using LeasedAddresses =
    std::map<std::string, std::map<MacAddress, std::vector<std::string>>>;

inline constexpr size_t kMaxLeaseFileBytes = size_t{4} << 20;
inline constexpr size_t kMaxLeases = 65536;
// Of one MAC address; a guest could ask for more.
inline constexpr size_t kMaxLeasesOfMac = 8;

// Every lease of `text`, in its order, at most kMaxLeases. Input: untrusted,
// for guests choose a part of it. A line is "EXPIRY MAC ADDRESS ...", EXPIRY in
// seconds since 1970 or 0; one of another form is passed over, like those of
// DHCPv6, which name no MAC address.
std::vector<Lease> ParseLeases(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LEASE_LEASE_FILE_H_
