// `inn context`: what guests run in, by name.
#ifndef INNKEEPER_CLI_COMMAND_CONTEXT_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_CONTEXT_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddContextCommands(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_CONTEXT_COMMAND_H_
