// Chooses the host of a guest: filters the hosts, then scores those left. A
// pure function: the same views and request give the same placement, whatever
// the order of the views.
#ifndef INNKEEPER_SERVER_PLACEMENT_PLACER_H_
#define INNKEEPER_SERVER_PLACEMENT_PLACER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/placement/capacity.h"

namespace innkeeper {

// One host as the server knows it now.
struct HostView {
  std::string name;  // "h1": unique among the views.
  // Agents with one machine_id run on one machine, whose capacity is counted
  // once; empty: a machine of its own.
  std::string machine_id;
  bool up = false;
  std::string reason_down;  // Why not up: "no contact since 12:00".
  bool cordoned = false;
  std::map<std::string, std::string> labels;
  // What this agent may give to guests.
  Capacity total;
  // What the machine may give to the guests of all its agents; 0: `total`. Of
  // agents that disagree the largest counts.
  Capacity machine_total;
  // What this agent's guests have, known or reserved.
  Capacity used;
  bool kvm = false;
  std::vector<std::string> machine_types;
  std::set<std::string> volumes;   // "POOL/VOLUME"
  std::set<std::string> networks;  // "lan"
  std::set<std::string> features;  // As in v1.Host: "uefi".
};

// Whether two hosts share a machine.
bool OnOneMachine(const HostView& a, const HostView& b);

struct PlacementRequest {
  Capacity needs;
  bool needs_kvm = false;
  // Empty: any. "q35": any version of it, such as "pc-q35-7.2".
  std::string machine_type;
  std::set<std::string> volumes;              // "POOL/VOLUME", all on the host.
  std::set<std::string> networks;             // "lan", all on the host.
  std::set<std::string> features;             // All of the host.
  std::optional<std::string> host;            // Only this one.
  std::map<std::string, std::string> labels;  // All on the host, with values.
  std::string context;                        // "build"; empty: none.
  // The hosts that let the guest run in it.
  std::set<std::string> context_hosts;
};

// Why one host did not fit.
struct Loss {
  enum class Kind {
    kDown,
    kCordoned,
    kNotAsked,  // Another host was asked for by name.
    kLabel,
    kAcceleration,
    kMachineType,
    kVolume,
    kNetwork,
    kContext,
    kFirmware,
    kMemory,
    kVcpus,
  };

  Kind kind = Kind::kDown;
  std::string text;  // "memory: asked 4 GiB, free 1 GiB of 8 GiB"
};

// What came of one host.
struct HostVerdict {
  std::string host;
  std::vector<Loss> losses;  // Every one; empty: it fits.
  // Of a host that fits: the mean, from 0 to 1, of the shares of memory and of
  // vcpus that stay free with the guest there. The most free host wins, so
  // that guests are spread; of equals the first by name.
  double score = 0;
  double free_memory_share = 0;
  double free_vcpu_share = 0;

  bool fits() const { return losses.empty(); }
};

struct Placement {
  std::optional<std::string> host;    // Empty: none fits.
  std::vector<HostVerdict> verdicts;  // Of every host, by name.
};

Placement Place(const PlacementRequest& request, std::vector<HostView> hosts);

// The error of a Placement without a host; its message tells each host's
// losses, and its metadata has them under "host.NAME" (the first 100).
//
// RESOURCE_EXHAUSTED (CAPACITY_EXHAUSTED): at least one host lacks nothing but
// memory or vcpus; the same request may succeed later.
// NOT_FOUND (HOST_NOT_FOUND): the host asked for by name does not exist.
// FAILED_PRECONDITION (NO_HOST_FITS) otherwise, each loss a violation.
absl::Status NoHostFits(const PlacementRequest& request,
                        const Placement& placement);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_PLACEMENT_PLACER_H_
