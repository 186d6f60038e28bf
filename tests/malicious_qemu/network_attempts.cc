// Sockets of the host, of other guests and of no QEMU.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_alg.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <initializer_list>

#include "tests/malicious_qemu/attempt.h"

namespace {

bool ConnectsUnix(const char* path, bool abstract) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t offset = abstract ? 1 : 0;
  strncpy(address.sun_path + offset, path,
          sizeof(address.sun_path) - 1 - offset);
  const socklen_t size = static_cast<socklen_t>(
      offsetof(sockaddr_un, sun_path) + offset + strlen(path));
  return connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0;
}

sockaddr_in Address(const char* text, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

bool ConnectsToPathSocket(const Target& target) {
  return ConnectsUnix(target.socket, false);
}
bool ConnectsToAbstractSocket(const Target& target) {
  return ConnectsUnix(target.abstract, true);
}
bool ConnectsToOtherMonitor(const Target& target) {
  return ConnectsUnix(target.monitor, false);
}
bool ConnectsByTcp(const Target& target) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Address("127.0.0.1", target.port);
  return connect(fd, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0;
}
bool ConnectsByTcp6(const Target& target) {
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(target.port));
  address.sin6_addr = in6addr_loopback;
  return connect(fd, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0;
}
bool SendsByUdp(const Target& target) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in address = Address("127.0.0.1", target.port);
  return sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) == 1;
}
bool Broadcasts(const Target& target) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
  const sockaddr_in address = Address("255.255.255.255", target.port);
  return sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) == 1;
}
bool Has(int family, int type, int protocol) {
  return socket(family, type, protocol) >= 0;
}
bool MakesRawSocket(const Target&) {
  return Has(AF_INET, SOCK_RAW, IPPROTO_ICMP) ||
         Has(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}
bool MakesPacketSocket(const Target&) {
  return Has(AF_PACKET, SOCK_RAW, 0) || Has(AF_PACKET, SOCK_DGRAM, 0);
}
bool MakesNetlinkSocket(const Target&) {
  return Has(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) ||
         Has(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
}
bool MakesVsock(const Target&) { return Has(AF_VSOCK, SOCK_STREAM, 0); }
bool MakesCryptoSocket(const Target&) { return Has(AF_ALG, SOCK_SEQPACKET, 0); }
bool MakesOddSockets(const Target&) {
  for (const int family :
       {AF_BLUETOOTH, AF_CAN, AF_TIPC, AF_XDP, AF_KEY, AF_RDS, AF_X25}) {
    if (Has(family, SOCK_RAW, 0) || Has(family, SOCK_DGRAM, 0)) return true;
  }
  return false;
}

}  // namespace

const Attempt kNetworkAttempts[] = {
    {"network.path_socket", &ConnectsToPathSocket},
    {"network.abstract_socket", &ConnectsToAbstractSocket},
    {"network.other_monitor", &ConnectsToOtherMonitor},
    {"network.tcp", &ConnectsByTcp},
    {"network.tcp6", &ConnectsByTcp6},
    {"network.udp", &SendsByUdp},
    {"network.broadcast", &Broadcasts},
    {"network.raw_socket", &MakesRawSocket},
    {"network.packet_socket", &MakesPacketSocket},
    {"network.netlink", &MakesNetlinkSocket},
    {"network.vsock", &MakesVsock},
    {"network.crypto_socket", &MakesCryptoSocket},
    {"network.odd_sockets", &MakesOddSockets},
    {nullptr, nullptr}};
