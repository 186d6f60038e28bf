// docs/launch.md, which is written by the table of steps and nobody else.
#ifndef INNKEEPER_AGENT_LAUNCH_LAUNCH_DOC_H_
#define INNKEEPER_AGENT_LAUNCH_LAUNCH_DOC_H_

#include <string>

namespace innkeeper {

// The page: both tables of kLaunchSteps, each with who runs each step, what it
// does and why.
std::string LaunchDoc();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_LAUNCH_DOC_H_
