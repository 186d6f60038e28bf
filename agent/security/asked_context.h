// What a guest was to be confined by, in the terms in which the kernel answers.
#ifndef INNKEEPER_AGENT_SECURITY_ASKED_CONTEXT_H_
#define INNKEEPER_AGENT_SECURITY_ASKED_CONTEXT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/guest/guest_record.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"

namespace innkeeper {

// Which namespace a guest was to have.
enum class AskedNamespace : uint8_t {
  kOwn,      // Not the host's.
  kHost,     // The host's.
  kNotHost,  // One that others may have, too; not the host's.
};

// A default one is that of every guest: nothing of the host's.
struct AskedContext {
  std::string group;  // What the path of its control group ends with.
  GuestProcess process;
  std::string binary;
  // By the names of namespaces(7)'s links.
  std::map<std::string, AskedNamespace> namespaces = {
      {"cgroup", AskedNamespace::kOwn}, {"ipc", AskedNamespace::kOwn},
      {"mnt", AskedNamespace::kOwn},    {"net", AskedNamespace::kOwn},
      {"pid", AskedNamespace::kOwn},    {"time", AskedNamespace::kHost},
      {"user", AskedNamespace::kHost},  {"uts", AskedNamespace::kOwn}};
  uint64_t capabilities = 0;  // A mask, of all five sets.
  bool own_groups_only = true;
  // In QEMU and beneath it: the launcher's filter and QEMU's.
  int filters = 2;
  // Names as in /proc/PID/limits. At most that much, soft and hard.
  std::map<std::string, int64_t> limits = {
      {"Max core file size", 1},      {"Max open files", 1024},
      {"Max locked memory", 8 << 20}, {"Max msgqueue size", 0},
      {"Max nice priority", 0},       {"Max realtime priority", 0}};
  int64_t memory_bytes = 0;
  int64_t pids = 0;
  int64_t cpu_millis = 0;  // 0: no limit.
  int oom_score = 300;     // At least.
  int nice = 0;
  int64_t cpu_weight = 0;  // 1 to 10,000; 0: only told.
  // As in cpuset(7). None: those that the host gives to all.
  std::optional<std::string> affinity;
  std::set<std::string> variables = {"HOME", "LANG", "PATH"};
  // What each begins with. Empty: it is not asked for and only told.
  std::string selinux;
  std::string apparmor;
  bool landlock_required = false;
  int64_t files = 0;  // Different ones, block devices of pools included.
  std::set<std::string> devices = {"/dev/null", "/dev/urandom"};
  // Not empty: why binary, files, devices, and the limits that follow from a
  // guest's size are not known.
  std::string no_plan;
};

// What `plan` asks for the process that it has become.
AskedContext AskedOf(const LaunchPlan& plan, const GuestProcess& process);

// The same of guest `id` whose plan cannot be made any more, because of `why`:
// an image of it is gone, say. Its context is known.
AskedContext AskedWithoutPlan(const std::string& id,
                              const LaunchContext& context,
                              const GuestProcess& process,
                              const std::string& why);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SECURITY_ASKED_CONTEXT_H_
