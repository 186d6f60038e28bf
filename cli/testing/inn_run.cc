#include "cli/testing/inn_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "cli/app.h"
#include "cli/environment.h"
#include "gtest/gtest.h"

namespace innkeeper {

int InnRun::Run(const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipe";
    return -1;
  }
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  EXPECT_TRUE(WriteAll(writer.get(), input).ok());
  if (!keep_input_open) writer.reset();

  std::ostringstream out_stream;
  std::ostringstream err_stream;
  Environment environment;
  environment.variable =
      [this](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  environment.out = &out_stream;
  environment.err = &err_stream;
  environment.input = reader.get();
  environment.input_is_terminal = input_is_terminal;
  environment.output_is_terminal = output_is_terminal;
  environment.error_is_terminal = error_is_terminal;
  environment.clock = &clock;
  environment.interrupt = &interrupt;
  environment.retry_delay = absl::Milliseconds(5);
  const int code = static_cast<int>(RunInn(arguments, environment));
  out = out_stream.str();
  err = err_stream.str();
  return code;
}

}  // namespace innkeeper
