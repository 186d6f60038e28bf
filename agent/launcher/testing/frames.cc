#include "agent/launcher/testing/frames.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/net_address.h"

namespace innkeeper {
namespace {

std::string Mac(const std::string& text) {
  const MacAddress mac = ParseMac(text).value();
  return std::string(reinterpret_cast<const char*>(mac.data()), mac.size());
}

std::string Ip(const std::string& text) { return ParseIp(text).value(); }

std::string Byte(uint8_t value) {
  return std::string(1, static_cast<char>(value));
}

// RFC 1071; of an even number of bytes.
uint16_t ChecksumOf(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[i]) << 8 |
                                 static_cast<uint8_t>(bytes[i + 1]));
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

}  // namespace

std::string Big16(uint16_t value) {
  return Byte(static_cast<uint8_t>(value >> 8)) +
         Byte(static_cast<uint8_t>(value));
}

std::string Ethernet(const std::string& to, const std::string& from,
                     uint16_t type, const std::string& payload) {
  return absl::StrCat(Mac(to), Mac(from), Big16(type), payload);
}

std::string Arp(uint16_t operation, const std::string& sender_mac,
                const std::string& sender_ip, const std::string& target_ip) {
  return absl::StrCat(Big16(1), Big16(0x0800), Byte(6), Byte(4),
                      Big16(operation), Mac(sender_mac), Ip(sender_ip),
                      std::string(6, '\0'), Ip(target_ip));
}

std::string Ip4(const std::string& from, const std::string& to,
                uint8_t protocol, const std::string& payload) {
  const std::string begin = absl::StrCat(
      Byte(0x45), Byte(0), Big16(static_cast<uint16_t>(20 + payload.size())),
      Big16(1), Big16(0), Byte(64), Byte(protocol));
  const std::string end = Ip(from) + Ip(to);
  return absl::StrCat(begin, Big16(ChecksumOf(begin + end)), end, payload);
}

std::string Ip6(const std::string& from, const std::string& to, uint8_t next,
                const std::string& payload) {
  return absl::StrCat(Byte(0x60), std::string(3, '\0'),
                      Big16(static_cast<uint16_t>(payload.size())), Byte(next),
                      Byte(255), Ip(from), Ip(to), payload);
}

std::string Udp(uint16_t from, uint16_t to, const std::string& payload) {
  return absl::StrCat(Big16(from), Big16(to),
                      Big16(static_cast<uint16_t>(8 + payload.size())),
                      Big16(0), payload);
}

std::string Icmp6(uint8_t type, const std::string& target) {
  return absl::StrCat(Byte(type), Byte(0), Big16(0), std::string(4, '\0'),
                      target.empty() ? "" : Ip(target));
}

}  // namespace innkeeper
