// What a run of `inn` gets from outside; tests give their own.
#ifndef INNKEEPER_CLI_ENVIRONMENT_H_
#define INNKEEPER_CLI_ENVIRONMENT_H_

#include <ostream>

#include "absl/time/time.h"
#include "base/clock.h"
#include "cli/interrupt.h"
#include "cli/remotes.h"

namespace innkeeper {

// Nothing here is owned; all of it outlives the run.
struct Environment {
  VariableReader variable;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  int input = 0;  // Descriptor to read from.
  bool input_is_terminal = false;
  bool output_is_terminal = false;
  bool error_is_terminal = false;
  const Clock* clock = Clock::Real();
  Interrupt* interrupt = nullptr;
  // Before the first retry of a call; doubles with each.
  absl::Duration retry_delay = absl::Milliseconds(250);
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_ENVIRONMENT_H_
