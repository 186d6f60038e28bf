#include "agent/launcher/taps.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/bridge_link.h"
#include "agent/launcher/net_namespaces.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr char kNamespaces[] = "/run/netns/";

absl::Status Unavailable(const std::string& network,
                         const absl::Status& cause) {
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kNetworkUnavailable,
               absl::StrCat("network '", network,
                            "' cannot be used on this host: ", cause.message()))
      .With("network", network);
}

absl::Status InUse(const PlannedTap& planned, absl::string_view address) {
  return Error(absl::StatusCode::kFailedPrecondition, reason::kAddressInUse,
               absl::StrCat("address ", address, " is in use on network '",
                            planned.network, "'; choose another"))
      .With("network", planned.network)
      .With("address", address);
}

absl::Status CheckAddresses(const PlannedTap& planned,
                            const JournalTap& other) {
  if (planned.network != other.network) return absl::OkStatus();
  if (planned.mac == other.mac) return InUse(planned, FormatMac(planned.mac));
  for (const std::string& address : planned.addresses) {
    if (std::find(other.addresses.begin(), other.addresses.end(), address) !=
        other.addresses.end()) {
      return InUse(planned, FormatIp(address));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenNamespace(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kSystemError,
                 absl::StrCat(path, " is no network namespace"));
  }
  return fd;
}

}  // namespace

Taps::Taps(const LauncherConfig& config)
    : networks_(config.networks),
      nft_(config.nft),
      table_(absl::StrCat("innkeeper-", config.instance)) {}

absl::StatusOr<Taps::Zone*> Taps::OpenZone(const std::string& name) {
  if (!home_.valid()) {
    home_.reset(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!home_.valid()) return ErrnoError(errno, "open /proc/self/ns/net");
  }
  Zone& zone = zones_[name];
  struct stat info = {};
  if (!name.empty()) {
    const std::string path = absl::StrCat(kNamespaces, name);
    if (stat(path.c_str(), &info) != 0) {
      return ErrnoError(errno, absl::StrCat("find ", path));
    }
    if (zone.inode != info.st_ino) {
      zone = Zone();
      ASSIGN_OR_RETURN(zone.fd, OpenNamespace(path));
    }
  }
  if (zone.filter.has_value()) return &zone;
  zone.name = name;
  zone.inode = info.st_ino;
  RETURN_IF_ERROR(RunIn(zone, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(zone.route, Netlink::Open(NETLINK_ROUTE));
    ASSIGN_OR_RETURN(FrameFilter filter, FrameFilter::Open(nft_, table_));
    zone.filter = std::move(filter);
    return absl::OkStatus();
  }));
  return &zone;
}

absl::Status Taps::RunIn(const Zone& zone,
                         const std::function<absl::Status()>& work) const {
  if (!zone.fd.valid()) return work();
  RETURN_IF_ERROR(EnterNetNamespace(zone.fd.get()));
  absl::Status status = work();
  // If there were no way back, the launcher would go on elsewhere: whatever
  // needs its own namespace would find out.
  RETURN_IF_ERROR(EnterNetNamespace(home_.get()));
  return status;
}

absl::Status Taps::LoadFilter(Zone& zone, const std::vector<JournalTap>& taps) {
  return RunIn(zone, [&] { return zone.filter->Load(taps); });
}

void Taps::Restore(const std::vector<JournalTap>& live) {
  std::set<std::string> names;
  for (const auto& [unused, network] : networks_) {
    names.insert(network.namespace_name);
  }
  for (const std::string& name : names) {
    const absl::StatusOr<Zone*> zone = OpenZone(name);
    // All taps in each: a network that the configuration has moved or dropped
    // may have guests still.
    const absl::Status status =
        zone.ok() ? LoadFilter(**zone, live) : zone.status();
    if (status.ok()) continue;
    LogError("network.filter_not_loaded",
             {{"namespace", name}, {"error", status.message()}});
  }
}

absl::Status Taps::Check(const std::vector<PlannedTap>& planned,
                         const std::vector<JournalTap>& live) const {
  std::vector<JournalTap> others = live;
  for (const PlannedTap& tap : planned) {
    const auto network = networks_.find(tap.network);
    if (network == networks_.end()) {
      return Error(absl::StatusCode::kNotFound, reason::kNetworkNotFound,
                   absl::StrCat("there is no network '", tap.network,
                                "' on this host; see the launcher's flag "
                                "--network"))
          .With("network", tap.network);
    }
    if (network->second.declared && tap.addresses.empty()) {
      return Error(absl::StatusCode::kPermissionDenied,
                   reason::kLauncherRefused,
                   absl::StrCat("network '", tap.network,
                                "' takes only guests whose addresses are "
                                "declared"))
          .With("network", tap.network);
    }
    for (const JournalTap& other : others) {
      RETURN_IF_ERROR(CheckAddresses(tap, other));
    }
    others.push_back({"", tap.network, tap.mac, tap.addresses});
  }
  return absl::OkStatus();
}

std::vector<JournalTap> Taps::Name(const std::vector<PlannedTap>& planned) {
  std::vector<JournalTap> named;
  named.reserve(planned.size());
  uint32_t number = 0;
  // Of 4 bytes it never gives a part, and it is never interrupted. A name that
  // was taken would be refused by IFF_TUN_EXCL.
  [[maybe_unused]] const ssize_t got = getrandom(&number, sizeof(number), 0);
  for (const PlannedTap& tap : planned) {
    named.push_back({absl::StrFormat("ink%08x-%d", number, named.size()),
                     tap.network, tap.mac, tap.addresses});
  }
  return named;
}

absl::Status Taps::AddToFilter(Zone& zone, const std::vector<JournalTap>& named,
                               const std::vector<JournalTap>& live) {
  absl::Status added = zone.filter->Add(named);
  if (!absl::IsNotFound(added)) return added;
  // Somebody has flushed the host's rules, or they could not be loaded before:
  // no guest is to be without them.
  LogWarning("network.filter_loaded_anew", {{"namespace", zone.name}});
  return LoadFilter(zone, live);
}

absl::StatusOr<int> Taps::BridgeOf(Zone& zone, const NetworkConfig& network) {
  absl::StatusOr<int> bridge = FindBridge(*zone.route, network.bridge);
  if (!network.create || !absl::IsNotFound(bridge.status())) return bridge;
  RETURN_IF_ERROR(MakeBridge(*zone.route, network.bridge, network.mtu));
  LogInfo("network.bridge_made",
          {{"network", network.name}, {"bridge", network.bridge}});
  return FindBridge(*zone.route, network.bridge);
}

absl::Status Taps::MakeOne(const PlannedTap& planned, const JournalTap& named,
                           std::vector<UniqueFd>& queues) {
  const NetworkConfig& network = networks_.at(planned.network);
  ASSIGN_OR_RETURN(Zone* const zone, OpenZone(network.namespace_name));
  ASSIGN_OR_RETURN(const int bridge, BridgeOf(*zone, network));
  std::vector<UniqueFd> opened;
  RETURN_IF_ERROR(RunIn(*zone, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(opened, OpenTap(named.device, planned.queue_count));
    return absl::OkStatus();
  }));
  INNKEEPER_FAILPOINT("launcher.launch.tap_opened");
  RETURN_IF_ERROR(PlugIn(*zone->route, {named.device, bridge, planned.mac,
                                        network.isolated, network.mtu}));
  for (UniqueFd& queue : opened) queues.push_back(std::move(queue));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<UniqueFd>> Taps::Make(
    const std::vector<PlannedTap>& planned,
    const std::vector<JournalTap>& named, const std::vector<JournalTap>& live) {
  // By namespace.
  std::map<std::string, std::vector<JournalTap>> taps;
  for (const JournalTap& tap : named) {
    taps[networks_.at(tap.network).namespace_name].push_back(tap);
  }
  for (const auto& [name, those] : taps) {
    const absl::StatusOr<Zone*> zone = OpenZone(name);
    const absl::Status added =
        zone.ok() ? AddToFilter(**zone, those, live) : zone.status();
    if (!added.ok()) return Unavailable(those[0].network, added);
  }
  if (!named.empty()) INNKEEPER_FAILPOINT("launcher.launch.taps_filtered");
  std::vector<UniqueFd> queues;
  for (size_t i = 0; i < planned.size(); ++i) {
    const absl::Status made = MakeOne(planned[i], named[i], queues);
    if (!made.ok()) return Unavailable(planned[i].network, made);
  }
  return queues;
}

absl::Status Taps::Remove(const std::vector<JournalTap>& taps) {
  if (taps.empty()) return absl::OkStatus();
  // A namespace that is gone has taken everything along.
  for (auto& [name, zone] : zones_) {
    if (!zone.filter.has_value()) continue;
    for (const JournalTap& tap : taps) {
      const auto network = networks_.find(tap.network);
      if (network != networks_.end() &&
          network->second.namespace_name != name) {
        continue;
      }
      RETURN_IF_ERROR(DeleteLink(*zone.route, tap.device));
    }
    INNKEEPER_FAILPOINT("launcher.release.taps_deleted");
    RETURN_IF_ERROR(zone.filter->Remove(taps));
  }
  return absl::OkStatus();
}

void Taps::RemoveFilters() {
  for (auto& [name, zone] : zones_) {
    if (!zone.filter.has_value()) continue;
    const absl::Status removed = zone.filter->RemoveTable();
    if (removed.ok()) continue;
    LogWarning("network.filter_not_removed",
               {{"namespace", name}, {"error", removed.message()}});
  }
}

}  // namespace innkeeper
