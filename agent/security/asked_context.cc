#include "agent/security/asked_context.h"

#include <string>

#include "agent/guest/guest_record.h"
#include "agent/launch/launch_plan.h"

namespace innkeeper {

AskedContext AskedOf(const LaunchPlan& plan, const GuestProcess& process) {
  AskedContext asked;
  asked.guest = plan.guest;
  asked.process = process;
  if (!plan.argv.empty()) asked.binary = plan.argv[0];
  asked.memory_bytes = plan.limits.memory_bytes;
  asked.pids = plan.limits.pids;
  asked.cpu_millis = plan.limits.cpu_millis;
  asked.limits["Max processes"] = plan.limits.pids;
  asked.files = static_cast<int64_t>(plan.images.size() + plan.overlays.size());
  if (plan.kvm) asked.devices.insert("/dev/kvm");
  return asked;
}

}  // namespace innkeeper
