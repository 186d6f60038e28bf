#include "agent/launcher/user_namespace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// Lives as long as the namespace has no descriptor: until its maps are written.
class Holder {
 public:
  static absl::StatusOr<Holder> Start() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    clone_args args = {};
    args.flags = CLONE_NEWUSER;
    args.exit_signal = SIGCHLD;
    const long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0) return ErrnoError(errno, "make a user namespace");
    if (pid == 0) {
      // Ends with the launcher, too: nobody is left to write.
      close(ends[1]);
      char byte;
      while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {
      }
      _exit(0);
    }
    return Holder(static_cast<pid_t>(pid), std::move(write_end));
  }
  Holder(Holder&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), life_(std::move(other.life_)) {}
  Holder& operator=(Holder&&) = delete;
  ~Holder() {
    if (pid_ == 0) return;
    life_.reset();
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  std::string PathOf(absl::string_view file) const {
    return absl::StrCat("/proc/", pid_, "/", file);
  }

 private:
  Holder(pid_t pid, UniqueFd life) : pid_(pid), life_(std::move(life)) {}

  pid_t pid_;
  UniqueFd life_;
};

// The kernel takes a map in one write.
absl::Status WriteMap(const std::string& path, const std::set<uint32_t>& ids) {
  std::string map;
  for (const uint32_t id : ids) absl::StrAppend(&map, id, " ", id, " 1\n");
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  if (write(fd.get(), map.data(), map.size()) !=
      static_cast<ssize_t>(map.size())) {
    return ErrnoError(errno, absl::StrCat("write ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> MakeUserNamespace(const Credentials& credentials) {
  ASSIGN_OR_RETURN(const Holder holder, Holder::Start());
  std::set<uint32_t> groups(credentials.groups.begin(),
                            credentials.groups.end());
  groups.insert(credentials.gid);
  RETURN_IF_ERROR(WriteMap(holder.PathOf("uid_map"), {credentials.uid}));
  RETURN_IF_ERROR(WriteMap(holder.PathOf("gid_map"), groups));
  UniqueFd fd(open(holder.PathOf("ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "open a user namespace");
  return fd;
}

absl::Status EnterUserNamespace(int user_namespace) {
  if (setns(user_namespace, CLONE_NEWUSER) != 0) {
    return ErrnoError(errno, "enter a user namespace");
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
