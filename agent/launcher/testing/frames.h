// Ethernet frames of tests, well-formed but for what a test wants wrong.
#ifndef INNKEEPER_AGENT_LAUNCHER_TESTING_FRAMES_H_
#define INNKEEPER_AGENT_LAUNCHER_TESTING_FRAMES_H_

#include <cstdint>
#include <string>

namespace innkeeper {

// Addresses are texts. Of checksums only that of an IPv4 header is there: hosts
// look at it before they pass a frame on.

// "\x12\x34" of 0x1234.
std::string Big16(uint16_t value);

std::string Ethernet(const std::string& to, const std::string& from,
                     uint16_t type, const std::string& payload);
// `operation`: 1 asks, 2 answers.
std::string Arp(uint16_t operation, const std::string& sender_mac,
                const std::string& sender_ip, const std::string& target_ip);
std::string Ip4(const std::string& from, const std::string& to,
                uint8_t protocol, const std::string& payload);
std::string Ip6(const std::string& from, const std::string& to, uint8_t next,
                const std::string& payload);
std::string Udp(uint16_t from, uint16_t to, const std::string& payload);
// A message of neighbour discovery about `target`; "" for one without.
std::string Icmp6(uint8_t type, const std::string& target);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_TESTING_FRAMES_H_
