// Named places where a test can kill the process.
//
//   INNKEEPER_FAILPOINT("agent.launch.recorded");
//
// Exists only where INNKEEPER_FAILPOINTS is defined (every build but
// --config=release). With INNKEEPER_FAILPOINT=NAME in the environment the
// process sends itself SIGKILL the first time it passes NAME; NAME#3 means the
// third time. If INNKEEPER_FAILPOINT_LOG names a file, NAME is appended to it
// just before, so that a test can tell a failpoint that was never reached.
#ifndef INNKEEPER_BASE_FAILPOINT_H_
#define INNKEEPER_BASE_FAILPOINT_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace innkeeper {

// Every failpoint compiled into this binary, sorted; empty in release builds.
// A binary prints them for its flag --list-failpoints.
std::vector<absl::string_view> ListFailpoints();

namespace failpoint_internal {
void Reach(const char* name);
}  // namespace failpoint_internal

#ifdef INNKEEPER_FAILPOINTS
// The pointer goes into a section of its own, where ListFailpoints finds it
// without running the code around it. Not for use in templates or inline
// functions, whose statics the compiler puts elsewhere.
#define INNKEEPER_FAILPOINT(name)                                              \
  do {                                                                         \
    __attribute__((section("innkeeper_failpoints"),                            \
                   used)) static const char* const innkeeper_failpoint = name; \
    ::innkeeper::failpoint_internal::Reach(innkeeper_failpoint);               \
  } while (false)
#else
#define INNKEEPER_FAILPOINT(name) \
  do {                            \
  } while (false)
#endif

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_FAILPOINT_H_
