// inn list (ls).
#ifndef INNKEEPER_CLI_COMMAND_LIST_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_LIST_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddListCommand(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_LIST_COMMAND_H_
