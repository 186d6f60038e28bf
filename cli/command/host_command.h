// inn host list, show, cordon, uncordon, remove, token.
#ifndef INNKEEPER_CLI_COMMAND_HOST_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_HOST_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddHostCommands(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_HOST_COMMAND_H_
