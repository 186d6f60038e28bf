// The floor of a launch: QEMU with nothing around it.
#ifndef INNKEEPER_BENCH_RAW_QEMU_H_
#define INNKEEPER_BENCH_RAW_QEMU_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace innkeeper {

// A command line as the agent explains it, and what its descriptors are.
struct RawPlan {
  std::vector<std::string> argv;
  std::map<int, std::string> descriptors;  // "memory", "monitor" ...
  int64_t memory_bytes = 0;
};

// QEMU by posix_spawn(3): no jail, no keeper, no record. Each call blocks; what
// fails ends the program. Not thread-safe.
class RawQemu {
 public:
  // `dir` gets the monitors' sockets, named after `name`.
  RawQemu(const RawPlan& plan, const std::string& dir, const std::string& name);
  // Ends it by SIGKILL if it still runs.
  ~RawQemu();
  RawQemu(const RawQemu&) = delete;
  RawQemu& operator=(const RawQemu&) = delete;

  // Until query-status is answered.
  void Greet();
  // Sends `command` and waits for its answer.
  void Execute(const std::string& command);
  // `quit`, until it is reaped.
  void Quit();
  // SIGKILL, until it is reaped.
  void Kill();

  pid_t pid() const { return pid_; }

 private:
  void Reap();
  void Send(const std::string& text);

  std::vector<UniqueFd> held_;
  std::string monitor_path_;
  UniqueFd monitor_;
  std::string received_;
  pid_t pid_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BENCH_RAW_QEMU_H_
