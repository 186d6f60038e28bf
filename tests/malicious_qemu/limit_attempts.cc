// More than a guest was given.
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/malicious_qemu/attempt.h"

namespace {

bool Raises(__rlimit_resource resource) {
  rlimit limit;
  if (getrlimit(resource, &limit) != 0) return false;
  if (limit.rlim_max == RLIM_INFINITY) return true;
  ++limit.rlim_max;
  return setrlimit(resource, &limit) == 0;
}

bool RaisesFiles(const Target&) { return Raises(RLIMIT_NOFILE); }
bool RaisesCores(const Target&) { return Raises(RLIMIT_CORE); }
bool RaisesFileSize(const Target&) { return Raises(RLIMIT_FSIZE); }
bool RaisesProcesses(const Target&) { return Raises(RLIMIT_NPROC); }
bool RaisesLockedMemory(const Target&) { return Raises(RLIMIT_MEMLOCK); }

bool IsMoreUrgent(const Target&) {
  errno = 0;
  return setpriority(PRIO_PROCESS, 0, -5) == 0;
}
bool IsRealtime(const Target&) {
  const sched_param parameter = {1};
  return sched_setscheduler(0, SCHED_FIFO, &parameter) == 0;
}
bool HasRealtimeDisks(const Target&) {
  return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                 IOPRIO_PRIO_VALUE(IOPRIO_CLASS_RT, 0)) == 0;
}
bool MakesQueue(const Target&) {
  return mq_open("/x", O_CREAT | O_RDWR, 0600, nullptr) >= 0;
}

// 2048 descriptors.
bool HasManyFiles(const Target&) {
  for (int i = 0; i < 2048; ++i) {
    if (open("/dev/null", O_RDONLY) < 0) return false;
  }
  return true;
}

// 512 processes. Those that there are end with this one.
bool HasManyProcesses(const Target&) {
  int made = 0;
  int error = 0;
  pid_t children[512];
  for (; made < 512; ++made) {
    children[made] = fork();
    if (children[made] < 0) {
      error = errno;
      break;
    }
    if (children[made] == 0) {
      while (true) pause();
    }
  }
  for (int i = 0; i < made; ++i) {
    kill(children[i], SIGKILL);
    waitpid(children[i], nullptr, 0);
  }
  errno = error;
  return made == 512;
}

// 1 GiB: its control group has less. The kernel ends it.
bool HasMuchMemory(const Target&) {
  constexpr size_t kBytes = size_t{1} << 30;
  void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  memset(memory, 1, kBytes);
  return true;
}

}  // namespace

const Attempt kLimitAttempts[] = {
    {"limit.raise_files", &RaisesFiles},
    {"limit.raise_cores", &RaisesCores},
    {"limit.raise_file_size", &RaisesFileSize},
    {"limit.raise_processes", &RaisesProcesses},
    {"limit.raise_locked_memory", &RaisesLockedMemory},
    {"limit.priority", &IsMoreUrgent},
    {"limit.realtime", &IsRealtime},
    {"limit.realtime_disks", &HasRealtimeDisks},
    {"limit.message_queue", &MakesQueue},
    {"limit.many_files", &HasManyFiles},
    {"limit.many_processes", &HasManyProcesses},
    {"limit.much_memory", &HasMuchMemory},
    {nullptr, nullptr}};
