#include "server/placement/placer.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxHostsInDetails = 100;

// "4 GiB", "1.5 GiB", "300 MiB".
std::string FormatBytes(int64_t bytes) {
  constexpr int64_t kMebi = 1 << 20;
  constexpr int64_t kGibi = 1 << 30;
  if (bytes % kMebi != 0) return absl::StrCat(bytes, " bytes");
  if (bytes < kGibi) return absl::StrCat(bytes / kMebi, " MiB");
  if (bytes % kGibi == 0) return absl::StrCat(bytes / kGibi, " GiB");
  return absl::StrFormat("%.1f GiB", static_cast<double>(bytes) / kGibi);
}

// What a host has left, and of how much.
struct Room {
  int64_t free = 0;
  int64_t total = 0;
};

// The tighter of what the agent and its machine have left.
Room RoomOf(int64_t total, int64_t used, int64_t machine_total,
            int64_t machine_used) {
  const Room agent{std::max<int64_t>(0, total - used), total};
  const Room machine{std::max<int64_t>(0, machine_total - machine_used),
                     machine_total};
  return machine.free < agent.free ? machine : agent;
}

double ShareLeft(const Room& room, int64_t asked) {
  if (room.total <= 0) return 0;
  return static_cast<double>(room.free - asked) /
         static_cast<double>(room.total);
}

// What is asked of a machine as a whole.
struct MachineUse {
  Capacity total;
  Capacity used;
};

// Keyed by machine_id.
using MachineUses = std::map<std::string, MachineUse>;

// Adds what `host` tells of its machine to `use`.
void AddUse(const HostView& host, MachineUse& use) {
  const auto or_own = [](int64_t machine, int64_t own) {
    return machine > 0 ? machine : own;
  };
  use.total.memory_bytes = std::max(
      use.total.memory_bytes,
      or_own(host.machine_total.memory_bytes, host.total.memory_bytes));
  use.total.vcpus = std::max(
      use.total.vcpus, or_own(host.machine_total.vcpus, host.total.vcpus));
  use.used += host.used;
}

MachineUse MachineUseOf(const HostView& host, const MachineUses& machines) {
  if (!host.machine_id.empty()) return machines.at(host.machine_id);
  MachineUse use;
  AddUse(host, use);
  return use;
}

void CheckState(const PlacementRequest& request, const HostView& host,
                std::vector<Loss>& losses) {
  if (!host.up) {
    losses.push_back(
        {Loss::Kind::kDown,
         absl::StrCat("down: ", host.reason_down.empty() ? "not in contact"
                                                         : host.reason_down)});
  }
  if (host.cordoned) {
    losses.push_back({Loss::Kind::kCordoned, "cordoned: takes no new guests"});
  }
  if (request.host.has_value() && *request.host != host.name) {
    losses.push_back({Loss::Kind::kNotAsked,
                      absl::StrCat("host: asked for ", *request.host)});
  }
}

bool HasMachineType(const HostView& host, const std::string& type) {
  if (type.empty()) return true;
  const std::string versioned = absl::StrCat("pc-", type, "-");
  return std::any_of(host.machine_types.begin(), host.machine_types.end(),
                     [&](const std::string& known) {
                       return known == type ||
                              absl::StartsWith(known, versioned);
                     });
}

// "pc-q35-7.2, pc-q35-7.1 and 30 more"
std::string MachineTypesOf(const HostView& host) {
  constexpr size_t kTold = 8;
  const std::vector<std::string>& all = host.machine_types;
  if (all.empty()) return "none";
  const auto end =
      all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), kTold));
  std::string told = absl::StrJoin(all.begin(), end, ", ");
  if (all.size() <= kTold) return told;
  return absl::StrCat(told, " and ", all.size() - kTold, " more");
}

void CheckFeatures(const PlacementRequest& request, const HostView& host,
                   std::vector<Loss>& losses) {
  for (const auto& [key, value] : request.labels) {
    const auto label = host.labels.find(key);
    if (label != host.labels.end() && label->second == value) continue;
    losses.push_back(
        {Loss::Kind::kLabel,
         absl::StrCat("label: asked ", key, "=", value, ", ",
                      label == host.labels.end()
                          ? "has none"
                          : absl::StrCat("has ", key, "=", label->second))});
  }
  if (request.needs_kvm && !host.kvm) {
    losses.push_back(
        {Loss::Kind::kAcceleration, "acceleration: asked KVM, has none"});
  }
  if (!HasMachineType(host, request.machine_type)) {
    losses.push_back({Loss::Kind::kMachineType,
                      absl::StrCat("machine type: asked ", request.machine_type,
                                   ", has ", MachineTypesOf(host))});
  }
  for (const std::string& feature : request.features) {
    if (host.features.count(feature) > 0) continue;
    losses.push_back(
        {Loss::Kind::kFirmware, absl::StrCat("firmware: lacks ", feature)});
  }
  for (const std::string& volume : request.volumes) {
    if (host.volumes.count(volume) > 0) continue;
    losses.push_back(
        {Loss::Kind::kVolume, absl::StrCat("volume: lacks ", volume)});
  }
  for (const std::string& network : request.networks) {
    if (host.networks.count(network) > 0) continue;
    losses.push_back(
        {Loss::Kind::kNetwork, absl::StrCat("network: lacks ", network)});
  }
  if (!request.context.empty() && request.context_hosts.count(host.name) == 0) {
    losses.push_back({Loss::Kind::kContext,
                      absl::StrCat("context: lacks ", request.context)});
  }
}

HostVerdict Judge(const PlacementRequest& request, const HostView& host,
                  const MachineUses& machines) {
  HostVerdict verdict;
  verdict.host = host.name;
  CheckState(request, host, verdict.losses);
  CheckFeatures(request, host, verdict.losses);

  const MachineUse machine = MachineUseOf(host, machines);
  const Room memory =
      RoomOf(host.total.memory_bytes, host.used.memory_bytes,
             machine.total.memory_bytes, machine.used.memory_bytes);
  const Room vcpus = RoomOf(host.total.vcpus, host.used.vcpus,
                            machine.total.vcpus, machine.used.vcpus);
  if (request.needs.memory_bytes > memory.free) {
    verdict.losses.push_back(
        {Loss::Kind::kMemory,
         absl::StrCat("memory: asked ", FormatBytes(request.needs.memory_bytes),
                      ", free ", FormatBytes(memory.free), " of ",
                      FormatBytes(memory.total))});
  }
  if (request.needs.vcpus > vcpus.free) {
    verdict.losses.push_back(
        {Loss::Kind::kVcpus,
         absl::StrCat("vcpus: asked ", request.needs.vcpus, ", free ",
                      vcpus.free, " of ", vcpus.total)});
  }
  if (!verdict.fits()) return verdict;
  verdict.free_memory_share = ShareLeft(memory, request.needs.memory_bytes);
  verdict.free_vcpu_share = ShareLeft(vcpus, request.needs.vcpus);
  verdict.score = (verdict.free_memory_share + verdict.free_vcpu_share) / 2;
  return verdict;
}

std::string TextOf(const HostVerdict& verdict) {
  return absl::StrJoin(verdict.losses, ", ",
                       [](std::string* out, const Loss& loss) {
                         absl::StrAppend(out, loss.text);
                       });
}

bool LacksOnlyCapacity(const HostVerdict& verdict) {
  return std::all_of(verdict.losses.begin(), verdict.losses.end(),
                     [](const Loss& loss) {
                       return loss.kind == Loss::Kind::kMemory ||
                              loss.kind == Loss::Kind::kVcpus;
                     });
}

absl::string_view ViolationType(Loss::Kind kind) {
  switch (kind) {
    case Loss::Kind::kDown:
      return reason::kHostUnreachable;
    case Loss::Kind::kCordoned:
      return reason::kHostCordoned;
    case Loss::Kind::kAcceleration:
      return reason::kAccelerationUnavailable;
    case Loss::Kind::kMachineType:
      return reason::kMachineTypeUnsupported;
    case Loss::Kind::kVolume:
      return reason::kVolumeNotFound;
    case Loss::Kind::kNetwork:
      return reason::kNetworkNotFound;
    case Loss::Kind::kContext:
      return reason::kContextNotFound;
    case Loss::Kind::kFirmware:
      return reason::kFirmwareUnavailable;
    case Loss::Kind::kMemory:
    case Loss::Kind::kVcpus:
      return reason::kCapacityExhausted;
    case Loss::Kind::kNotAsked:
    case Loss::Kind::kLabel:
      return reason::kNoHostFits;
  }
  return reason::kNoHostFits;
}

}  // namespace

bool OnOneMachine(const HostView& a, const HostView& b) {
  return a.name == b.name ||
         (!a.machine_id.empty() && a.machine_id == b.machine_id);
}

Placement Place(const PlacementRequest& request, std::vector<HostView> hosts) {
  std::sort(
      hosts.begin(), hosts.end(),
      [](const HostView& a, const HostView& b) { return a.name < b.name; });
  MachineUses machines;
  for (const HostView& host : hosts) {
    if (!host.machine_id.empty()) AddUse(host, machines[host.machine_id]);
  }
  Placement placement;
  double best = 0;
  for (const HostView& host : hosts) {
    HostVerdict verdict = Judge(request, host, machines);
    if (verdict.fits() && (!placement.host || verdict.score > best)) {
      best = verdict.score;
      placement.host = verdict.host;
    }
    placement.verdicts.push_back(std::move(verdict));
  }
  return placement;
}

absl::Status NoHostFits(const PlacementRequest& request,
                        const Placement& placement) {
  // Of one host asked for by name, the others are of no interest.
  std::vector<const HostVerdict*> told;
  for (const HostVerdict& verdict : placement.verdicts) {
    if (!request.host.has_value() || verdict.host == *request.host) {
      told.push_back(&verdict);
    }
  }
  if (told.empty() && request.host.has_value()) {
    return Error(absl::StatusCode::kNotFound, reason::kHostNotFound,
                 absl::StrCat("host '", *request.host, "' does not exist"))
        .With("host", *request.host);
  }
  if (told.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kNoHostFits,
                 "no host is enrolled; enrol one first");
  }
  const bool exhausted = std::any_of(
      told.begin(), told.end(),
      [](const HostVerdict* verdict) { return LacksOnlyCapacity(*verdict); });
  const std::string message = absl::StrCat(
      exhausted ? "no host has room: " : "no host fits: ",
      absl::StrJoin(told, "; ", [](std::string* out, const HostVerdict* v) {
        absl::StrAppend(out, v->host, ": ", TextOf(*v));
      }));
  Error error = exhausted ? Error(absl::StatusCode::kResourceExhausted,
                                  reason::kCapacityExhausted, message)
                          : Error(absl::StatusCode::kFailedPrecondition,
                                  reason::kNoHostFits, message);
  told.resize(std::min(told.size(), kMaxHostsInDetails));
  for (const HostVerdict* verdict : told) {
    error.With(absl::StrCat("host.", verdict->host), TextOf(*verdict));
    if (exhausted) continue;
    for (const Loss& loss : verdict->losses) {
      error.Precondition(ViolationType(loss.kind),
                         absl::StrCat("hosts/", verdict->host), loss.text);
    }
  }
  return error;
}

}  // namespace innkeeper
