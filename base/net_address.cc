#include "base/net_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace innkeeper {
namespace {

constexpr size_t kMacText = 17;

int FamilyOf(absl::string_view address) {
  if (address.size() == sizeof(in_addr)) return AF_INET;
  if (address.size() == sizeof(in6_addr)) return AF_INET6;
  return AF_UNSPEC;
}

uint8_t ByteOf(absl::string_view bytes, size_t index) {
  return static_cast<uint8_t>(bytes[index]);
}

}  // namespace

std::optional<MacAddress> ParseMac(absl::string_view text) {
  if (text.size() != kMacText) return std::nullopt;
  MacAddress mac;
  for (size_t i = 0; i < mac.size(); ++i) {
    const absl::string_view pair = text.substr(3 * i, 2);
    if (!absl::ascii_isxdigit(ByteOf(pair, 0)) ||
        !absl::ascii_isxdigit(ByteOf(pair, 1)) ||
        (i + 1 < mac.size() && text[3 * i + 2] != ':')) {
      return std::nullopt;
    }
    mac[i] = ByteOf(absl::HexStringToBytes(pair), 0);
  }
  return mac;
}

std::string FormatMac(const MacAddress& mac) {
  return absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                         mac[2], mac[3], mac[4], mac[5]);
}

bool IsUnicastMac(const MacAddress& mac) {
  return (mac[0] & 1) == 0 && mac != MacAddress{};
}

std::optional<std::string> ParseIp(absl::string_view text) {
  // inet_pton(3) takes a C string: a NUL would hide what follows it.
  if (text.size() >= INET6_ADDRSTRLEN ||
      text.find('\0') != absl::string_view::npos) {
    return std::nullopt;
  }
  const std::string name(text);
  in_addr v4;
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) {
    return std::string(reinterpret_cast<const char*>(&v4), sizeof(v4));
  }
  in6_addr v6;
  if (inet_pton(AF_INET6, name.c_str(), &v6) != 1 ||
      IN6_IS_ADDR_V4MAPPED(&v6)) {
    return std::nullopt;
  }
  return std::string(reinterpret_cast<const char*>(&v6), sizeof(v6));
}

std::string FormatIp(absl::string_view address) {
  char text[INET6_ADDRSTRLEN];
  const int family = FamilyOf(address);
  if (family == AF_UNSPEC ||
      inet_ntop(family, address.data(), text, sizeof(text)) == nullptr) {
    return "";
  }
  return text;
}

bool IsUnicastIp(absl::string_view address) {
  switch (FamilyOf(address)) {
    case AF_INET: {
      const uint8_t first = ByteOf(address, 0);
      // 224 and above: groups, reserved and broadcast.
      return first != 0 && first != 127 && first < 224;
    }
    case AF_INET6: {
      in6_addr v6;
      memcpy(&v6, address.data(), sizeof(v6));
      return !IN6_IS_ADDR_MULTICAST(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6) &&
             !IN6_IS_ADDR_LOOPBACK(&v6);
    }
    default:
      return false;
  }
}

std::string LinkLocalOf(const MacAddress& mac) {
  std::string address(sizeof(in6_addr), '\0');
  const uint8_t bytes[] = {static_cast<uint8_t>(mac[0] ^ 2),
                           mac[1],
                           mac[2],
                           0xff,
                           0xfe,
                           mac[3],
                           mac[4],
                           mac[5]};
  address[0] = '\xfe';
  address[1] = '\x80';
  std::copy(std::begin(bytes), std::end(bytes), address.begin() + 8);
  return address;
}

}  // namespace innkeeper
