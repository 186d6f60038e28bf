// One way for a part of a host to die, and what must come of it.
#ifndef INNKEEPER_TESTS_INTEGRATION_HOST_DEATH_H_
#define INNKEEPER_TESTS_INTEGRATION_HOST_DEATH_H_

#include <string>

#include "tests/integration/lab.h"

namespace innkeeper {

// What is being done to the guest meanwhile.
enum class CrashVerb { kLaunch, kStop, kDelete };

// "launch", "stop", "delete".
std::string ToString(CrashVerb verb);

// Who dies by SIGKILL, during what, where, and which time it gets there.
struct HostDeath {
  enum class Victim { kAgent, kLauncher };

  Victim victim = Victim::kAgent;
  CrashVerb verb = CrashVerb::kLaunch;
  std::string failpoint;
  int count = 1;
  // Where the guest has an interface; empty: it has none.
  std::string network = "";
  // Whether its launch asks for a context, with a user namespace of its own.
  bool in_context = false;
};

// "launch at agent.launch.begin#1".
std::string ToString(const HostDeath& death);

// Brings about `death` on a host that is empty and not started, and leaves it
// so. Fails the test unless the failpoint is reached and afterwards the guest
// is there once, under the pid that it had, or nothing of it is; what was
// promised has been kept; and a launch that is repeated makes no second guest.
void DieAndRecover(Lab& lab, const HostDeath& death);

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_HOST_DEATH_H_
