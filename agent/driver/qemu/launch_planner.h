// From a guest's record to what the launcher needs: the images are looked into,
// the machine type and the accelerator are decided.
#ifndef INNKEEPER_AGENT_DRIVER_QEMU_LAUNCH_PLANNER_H_
#define INNKEEPER_AGENT_DRIVER_QEMU_LAUNCH_PLANNER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/context/context_rights.h"
#include "agent/guest/guest_record.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/executor.h"

namespace innkeeper {

// A network of this host.
struct HostNetwork {
  std::string name;
  bool declared = false;  // Guests must say which addresses they have.
};

struct PlannedLaunch {
  LaunchPlan plan;
  std::string machine_type;
  Accel accel = Accel::kTcg;
  std::string accel_reason;
};

// What a planned descriptor is, for people: "monitor", "pools/main/volumes/a".
std::string DescribeFd(const LaunchPlan& plan, const PlannedFd& fd);

// Used on its event loop only. What the pointers point to must outlive it.
class LaunchPlanner {
 public:
  struct Parts {
    EventLoop* loop;
    Executor* executor;
    Spawner* spawner;
    std::string qemu_binary;
    std::vector<std::string> machine_types;  // Newest first.
    bool kvm = false;        // KVM was proven to run guests here.
    std::string kvm_reason;  // What the proof saw.
    std::vector<HostNetwork> networks = {};
    // What the launcher offers besides: "uefi", "uefi-secure-boot".
    std::vector<std::string> features = {};
  };

  // Beyond a guest's memory: QEMU's own, and its page tables.
  static constexpr int64_t kOverheadBytes = kDefaultOverheadBytes;
  // QEMU's threads beyond one for each vCPU, and the keeper.
  static constexpr int64_t kExtraPids = kDefaultExtraPids;

  explicit LaunchPlanner(Parts parts) : parts_(std::move(parts)) {}

  // FAILED_PRECONDITION with every violation: ACCELERATION_UNAVAILABLE,
  // NETWORK_NOT_FOUND, NETWORK_UNAVAILABLE, FIRMWARE_UNAVAILABLE,
  // MACHINE_TYPE_UNSUPPORTED, VOLUME_NOT_FOUND, POOL_NOT_FOUND,
  // IMAGE_UNSUPPORTED. UNAVAILABLE or DEADLINE_EXCEEDED if the launcher does
  // not answer, RESOURCE_EXHAUSTED if nobody is free to read an image. `done`
  // runs on the loop.
  void Plan(const GuestRecord& guest, Completion<PlannedLaunch> done);

 private:
  struct Work;

  void OpenNext(const std::shared_ptr<Work>& work);
  void Finish(const std::shared_ptr<Work>& work);
  void Decide(Work* work) const;
  void CheckNetworks(Work* work) const;
  bool Offers(absl::string_view feature) const;
  void CheckFeatures(Work* work) const;

  const Parts parts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_QEMU_LAUNCH_PLANNER_H_
