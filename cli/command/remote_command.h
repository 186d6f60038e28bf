// inn remote list, add, use, remove, test.
#ifndef INNKEEPER_CLI_COMMAND_REMOTE_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_REMOTE_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddRemoteCommands(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_REMOTE_COMMAND_H_
