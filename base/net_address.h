// Ethernet and IP addresses between text and bytes.
#ifndef INNKEEPER_BASE_NET_ADDRESS_H_
#define INNKEEPER_BASE_NET_ADDRESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {

using MacAddress = std::array<uint8_t, 6>;

// Of six pairs of hex digits with ':' between them, in either case.
std::optional<MacAddress> ParseMac(absl::string_view text);
// "52:54:00:12:34:56".
std::string FormatMac(const MacAddress& mac);
// Whether one interface can have it: neither a group's nor all zero.
bool IsUnicastMac(const MacAddress& mac);

// An IPv4 or IPv6 address in network order: 4 or 16 bytes. No prefix, zone or
// port. An IPv4 address mapped into IPv6 is none.
std::optional<std::string> ParseIp(absl::string_view text);
// The shortest text of it; empty if `address` is of another length.
std::string FormatIp(absl::string_view address);
// Whether one interface can send from it: not a group's, not broadcast, not
// unspecified, not loopback. Of another length: false.
bool IsUnicastIp(absl::string_view address);

// The link-local IPv6 address that an interface with `mac` gives itself
// (RFC 4291, appendix A), as 16 bytes.
std::string LinkLocalOf(const MacAddress& mac);

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_NET_ADDRESS_H_
