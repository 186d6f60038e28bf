// Runs `inn` inside a test.
#ifndef INNKEEPER_CLI_TESTING_INN_RUN_H_
#define INNKEEPER_CLI_TESTING_INN_RUN_H_

#include <map>
#include <string>
#include <vector>

#include "base/testing/fake_clock.h"
#include "cli/interrupt.h"

namespace innkeeper {

// Not thread-safe.
struct InnRun {
  std::map<std::string, std::string> variables;
  std::string input;             // What can be read; then the end.
  bool keep_input_open = false;  // No end.
  bool input_is_terminal = false;
  bool output_is_terminal = false;
  bool error_is_terminal = false;
  FakeClock clock;
  Interrupt interrupt;

  // Filled by Run, which answers the exit code.
  std::string out;
  std::string err;
  int Run(const std::vector<std::string>& arguments);
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_TESTING_INN_RUN_H_
