// inn op list, show, wait, cancel.
#ifndef INNKEEPER_CLI_COMMAND_OPERATION_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_OPERATION_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddOperationCommands(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_OPERATION_COMMAND_H_
