// inn launch, explain.
#ifndef INNKEEPER_CLI_COMMAND_LAUNCH_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_LAUNCH_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddLaunchCommands(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_LAUNCH_COMMAND_H_
