// inn pki init, issue, show.
#ifndef INNKEEPER_CLI_COMMAND_PKI_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_PKI_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddPkiCommands(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_PKI_COMMAND_H_
