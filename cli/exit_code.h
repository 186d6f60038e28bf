// What `inn` answers its caller with.
#ifndef INNKEEPER_CLI_EXIT_CODE_H_
#define INNKEEPER_CLI_EXIT_CODE_H_

#include "absl/status/status.h"

namespace innkeeper {

// Numbers are a promise to scripts: never changed.
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kUnreachable = 3,
  kNotFound = 4,
  kDenied = 5,
  kTimeout = 6,
  kConflict = 7,
};

// The exit code of an error; kFailed for those without one of their own.
ExitCode ExitCodeOf(absl::StatusCode code);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_EXIT_CODE_H_
