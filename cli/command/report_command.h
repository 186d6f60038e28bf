// inn report.
#ifndef INNKEEPER_CLI_COMMAND_REPORT_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_REPORT_COMMAND_H_

#include "cli/command/command_set.h"

namespace innkeeper {

void AddReportCommand(CommandSet& commands);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_REPORT_COMMAND_H_
