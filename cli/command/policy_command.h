// inn whoami.
#ifndef INNKEEPER_CLI_COMMAND_POLICY_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_POLICY_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddPolicyCommand(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_POLICY_COMMAND_H_
