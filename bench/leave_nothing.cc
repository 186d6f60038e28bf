#include "bench/leave_nothing.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

volatile sig_atomic_t worker = 0;

void EndWorker(int) {
  if (worker > 0) kill(worker, SIGKILL);
}

// Children of this process, adopted ones included.
std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  const std::string text =
      ReadFile(absl::StrCat("/proc/self/task/", getpid(), "/children"), 1 << 20)
          .value_or("");
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(word, &pid)) children.push_back(pid);
  }
  return children;
}

// The children of whoever is killed come to this process, and are next.
void KillAll() {
  while (true) {
    const std::vector<pid_t> children = Children();
    if (children.empty()) return;
    for (const pid_t pid : children) kill(pid, SIGKILL);
    for (const pid_t pid : children) waitpid(pid, nullptr, 0);
  }
}

// Groups have files that cannot be removed, and go with them.
void RemoveGroup(const fs::path& group) {
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(group, error)) {
    if (entry.is_directory(error)) RemoveGroup(entry.path());
  }
  rmdir(group.c_str());
}

}  // namespace

int RunAndLeaveNothing(const std::string& dir,
                       const std::function<void()>& work) {
  // Whatever loses its parent, as daemons and guests do, comes to this process.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    exit(0);
  }
  worker = pid;
  signal(SIGINT, EndWorker);
  signal(SIGTERM, EndWorker);
  int status = 0;
  while (waitpid(pid, &status, 0) != pid) {
  }
  KillAll();
  std::error_code error;
  fs::remove_all(dir, error);
  const std::string instance = absl::StrCat("innkeeper-bench-", pid);
  for (const fs::directory_entry& hierarchy :
       fs::directory_iterator("/sys/fs/cgroup", error)) {
    if (hierarchy.is_directory(error)) {
      RemoveGroup(hierarchy.path() / instance);
    }
  }
  RemoveGroup(fs::path("/sys/fs/cgroup") / instance);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace innkeeper
