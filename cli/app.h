// The command line, from arguments to exit code.
#ifndef INNKEEPER_CLI_APP_H_
#define INNKEEPER_CLI_APP_H_

#include <string>
#include <vector>

#include "cli/environment.h"
#include "cli/exit_code.h"

namespace innkeeper {

// Parses `arguments` (without the program's name), runs the command and tells
// errors on environment.err. Blocks as long as the command does. Throws
// nothing.
ExitCode RunInn(const std::vector<std::string>& arguments,
                const Environment& environment);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_APP_H_
