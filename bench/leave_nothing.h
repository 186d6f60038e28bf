// Whatever becomes of a measurement, nothing that it started is left.
#ifndef INNKEEPER_BENCH_LEAVE_NOTHING_H_
#define INNKEEPER_BENCH_LEAVE_NOTHING_H_

#include <functional>
#include <string>

namespace innkeeper {

// Runs `work` in a process of its own, and returns its exit status, 1 if it was
// ended by a signal. Afterwards, also when this process is asked to end by
// SIGINT or SIGTERM, every process that it started and that is still there is
// killed, daemons and guests included, and `dir` and the control groups of the
// instance "bench-PID" are removed, PID being the worker's. Called once, by a
// process without threads.
int RunAndLeaveNothing(const std::string& dir,
                       const std::function<void()>& work);

}  // namespace innkeeper

#endif  // INNKEEPER_BENCH_LEAVE_NOTHING_H_
