#include "agent/keeper/exit_record.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace innkeeper {

void WriteExitRecord(int directory, int status) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const bool signaled = WIFSIGNALED(status);
  char record[128];
  const int size = snprintf(
      record, sizeof(record),
      "{\"kind\":\"%s\",\"value\":%d,\"time_unix_ms\":%lld}\n",
      signaled ? "signaled" : "exited",
      signaled ? WTERMSIG(status) : WEXITSTATUS(status),
      static_cast<long long>(now.tv_sec) * 1000 + now.tv_nsec / 1000000);
  const int fd =
      openat(directory, "exit.new",
             O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (fd < 0) return;
  const bool written = write(fd, record, static_cast<size_t>(size)) == size;
  close(fd);
  if (written) renameat(directory, "exit.new", directory, "exit");
}

}  // namespace innkeeper
