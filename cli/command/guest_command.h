// inn show, start, stop, reboot, pause, resume, delete.
#ifndef INNKEEPER_CLI_COMMAND_GUEST_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_GUEST_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddGuestCommands(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_GUEST_COMMAND_H_
