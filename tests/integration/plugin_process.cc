#include "tests/integration/plugin_process.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

void Check(bool good, const std::string& what) {
  if (good) return;
  fprintf(stderr, "PluginProcess: %s: %m\n", what.c_str());
  abort();
}

bool Accepts(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  Check(path.size() < sizeof(address.sun_path), path);
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const bool accepts =
      connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return accepts;
}

}  // namespace

PluginProcess::PluginProcess(std::string socket, uid_t uid, gid_t gid)
    : socket_(std::move(socket)), uid_(uid), gid_(gid) {
  // Where its user can run it.
  static int copies = 0;
  binary_ = absl::StrCat("/var/tmp/plugin-", getpid(), "-", copies++);
  fs::copy_file("examples/project_policy/project_policy", binary_,
                fs::copy_options::overwrite_existing);
  Check(chmod(binary_.c_str(), 0755) == 0, binary_);
}

PluginProcess::~PluginProcess() {
  Kill();
  unlink(binary_.c_str());
  unlink(socket_.c_str());
}

void PluginProcess::MakeDirectory(const std::string& path, uid_t uid) {
  Check(fs::create_directory(path), path);
  Check(chmod(path.c_str(), 0755) == 0, path);
  Check(chown(path.c_str(), uid, uid) == 0, path);
}

void PluginProcess::Start() {
  pid_ = fork();
  Check(pid_ >= 0, "fork");
  if (pid_ == 0) {
    const bool dropped =
        setgroups(0, nullptr) == 0 && setgid(gid_) == 0 && setuid(uid_) == 0;
    // Even a test that is killed must not leave it. After the change of user,
    // which would forget that.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::string megabytes = std::to_string(kMaxMemoryBytes >> 20);
    if (dropped) {
      execl(binary_.c_str(), binary_.c_str(), socket_.c_str(),
            megabytes.c_str(), nullptr);
    }
    _exit(127);
  }
  ASSERT_TRUE(Eventually([this] { return Accepts(socket_); })) << socket_;
}

void PluginProcess::Kill() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void PluginProcess::Freeze() { kill(pid_, SIGSTOP); }
void PluginProcess::Thaw() { kill(pid_, SIGCONT); }

}  // namespace innkeeper
