#include "agent/launcher/bridge_link.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr char kTunDevice[] = "/dev/net/tun";
// Locally administered, unicast.
constexpr uint8_t kBridgeMacPrefix = 0x52;
// Higher than any guest's: a bridge without an address of its own takes the
// lowest that is plugged into it, and would change it with its guests.
constexpr uint8_t kTapMacPrefix = 0xfe;

int CallbackOfKind(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
      mnl_attr_validate(attribute, MNL_TYPE_STRING) == 0) {
    static_cast<std::string*>(data)->assign(mnl_attr_get_str(attribute));
  }
  return MNL_CB_OK;
}

int CallbackOfLink(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == IFLA_LINKINFO) {
    mnl_attr_parse_nested(attribute, CallbackOfKind, data);
  }
  return MNL_CB_OK;
}

nlmsghdr* AddLink(NetlinkRequest& request, uint16_t type, uint16_t flags,
                  bool up) {
  nlmsghdr* const message =
      request.Add(type, static_cast<uint16_t>(NLM_F_ACK | flags));
  ifinfomsg* const info = request.Extra<ifinfomsg>();
  info->ifi_family = AF_UNSPEC;
  if (up) info->ifi_flags = info->ifi_change = IFF_UP;
  return message;
}

void PutNoIpv6Address(nlmsghdr* message) {
  nlattr* const families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
  nlattr* const v6 = mnl_attr_nest_start(message, AF_INET6);
  mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end(message, v6);
  mnl_attr_nest_end(message, families);
}

void PutPortOptions(nlmsghdr* message, bool isolated) {
  nlattr* const info = mnl_attr_nest_start(message, IFLA_LINKINFO);
  mnl_attr_put_strz(message, IFLA_INFO_SLAVE_KIND, "bridge");
  nlattr* const data = mnl_attr_nest_start(message, IFLA_INFO_SLAVE_DATA);
  mnl_attr_put_u8(message, IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
  mnl_attr_put_u8(message, IFLA_BRPORT_GUARD, 1);
  mnl_attr_nest_end(message, data);
  mnl_attr_nest_end(message, info);
}

void PutMac(nlmsghdr* message, const MacAddress& mac) {
  mnl_attr_put(message, IFLA_ADDRESS, mac.size(), mac.data());
}

}  // namespace

absl::StatusOr<int> FindBridge(Netlink& route, const std::string& name) {
  NetlinkRequest request;
  nlmsghdr* const message = request.Add(RTM_GETLINK, 0);
  request.Extra<ifinfomsg>()->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
  std::string found;
  const std::string what = absl::StrCat("find bridge ", name);
  const absl::Status asked = route.Ask(request, 1, what, &found);
  if (!asked.ok()) {
    // The kernel's word for it is ENODEV.
    if (DetailsOf(asked).metadata["errno"] != absl::StrCat(ENODEV)) {
      return asked;
    }
    return ErrnoError(ENOENT, what);
  }
  const nlmsghdr* const link = reinterpret_cast<const nlmsghdr*>(found.data());
  std::string kind;
  mnl_attr_parse(link, sizeof(ifinfomsg), CallbackOfLink, &kind);
  if (kind != "bridge") {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kSystemError,
                 absl::StrCat("device ", name, " is no bridge"));
  }
  return static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(link))->ifi_index;
}

absl::Status MakeBridge(Netlink& route, const std::string& name, uint32_t mtu) {
  MacAddress mac;
  if (getrandom(mac.data(), mac.size(), 0) !=
      static_cast<ssize_t>(mac.size())) {
    return ErrnoError(errno, "getrandom");
  }
  mac[0] = kBridgeMacPrefix;
  NetlinkRequest request;
  nlmsghdr* const message =
      AddLink(request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, /*up=*/true);
  mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
  PutMac(message, mac);
  if (mtu != 0) mnl_attr_put_u32(message, IFLA_MTU, mtu);
  nlattr* const info = mnl_attr_nest_start(message, IFLA_LINKINFO);
  mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
  mnl_attr_nest_end(message, info);
  return route.Ask(request, 1, absl::StrCat("make bridge ", name));
}

absl::Status PlugIn(Netlink& route, const BridgePort& port) {
  // Three messages: the kernel knows a port's options only once it is plugged
  // in, and sets up what it is told to in the order of its own choice.
  NetlinkRequest request;
  nlmsghdr* message = AddLink(request, RTM_NEWLINK, 0, /*up=*/false);
  mnl_attr_put_strz(message, IFLA_IFNAME, port.device.c_str());
  MacAddress mac = port.guest;
  mac[0] = kTapMacPrefix;
  PutMac(message, mac);
  if (port.mtu != 0) mnl_attr_put_u32(message, IFLA_MTU, port.mtu);
  PutNoIpv6Address(message);
  mnl_attr_put_u32(message, IFLA_MASTER, static_cast<uint32_t>(port.bridge));

  message = AddLink(request, RTM_NEWLINK, 0, /*up=*/false);
  mnl_attr_put_strz(message, IFLA_IFNAME, port.device.c_str());
  PutPortOptions(message, port.isolated);

  message = AddLink(request, RTM_NEWLINK, 0, /*up=*/true);
  mnl_attr_put_strz(message, IFLA_IFNAME, port.device.c_str());
  return route.Ask(request, 3, absl::StrCat("plug in ", port.device));
}

absl::Status DeleteLink(Netlink& route, const std::string& name) {
  NetlinkRequest request;
  nlmsghdr* const message = AddLink(request, RTM_DELLINK, 0, /*up=*/false);
  mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
  const absl::Status status =
      route.Ask(request, 1, absl::StrCat("delete ", name));
  const bool absent = !status.ok() && DetailsOf(status).metadata["errno"] ==
                                          absl::StrCat(ENODEV);
  return absent ? absl::OkStatus() : status;
}

absl::StatusOr<std::vector<UniqueFd>> OpenTap(const std::string& device,
                                              int queues) {
  std::vector<UniqueFd> opened;
  for (int queue = 0; queue < queues; ++queue) {
    UniqueFd fd(open(kTunDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) {
      return ErrnoError(errno, absl::StrCat("open ", kTunDevice));
    }
    ifreq request = {};
    device.copy(request.ifr_name, IFNAMSIZ - 1);
    int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (queues > 1) flags |= IFF_MULTI_QUEUE;
    // Without it the kernel would give queues of somebody else's tap.
    if (queue == 0) flags |= IFF_TUN_EXCL;
    request.ifr_flags = static_cast<short>(flags);
    if (ioctl(fd.get(), TUNSETIFF, &request) != 0) {
      return ErrnoError(errno == EBUSY && queue == 0 ? EEXIST : errno,
                        absl::StrCat("make tap ", device));
    }
    opened.push_back(std::move(fd));
  }
  return opened;
}

}  // namespace innkeeper
