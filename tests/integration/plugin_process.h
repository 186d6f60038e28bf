// The example plugin, as a process of a user of its own.
#ifndef INNKEEPER_TESTS_INTEGRATION_PLUGIN_PROCESS_H_
#define INNKEEPER_TESTS_INTEGRATION_PLUGIN_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace innkeeper {

// Needs root. examples/project_policy, which lets guests have 192 MiB. Not
// thread-safe.
class PluginProcess {
 public:
  // What it lets guests have.
  static constexpr int64_t kMaxMemoryBytes = int64_t{192} << 20;

  // Listens on `socket`, in a directory that is there, as user `uid` and with
  // the group `gid`.
  PluginProcess(std::string socket, uid_t uid, gid_t gid);
  ~PluginProcess();
  PluginProcess(const PluginProcess&) = delete;
  PluginProcess& operator=(const PluginProcess&) = delete;

  // Starts it; returns once it serves.
  void Start();
  // SIGKILL; returns once it is gone. Its socket stays.
  void Kill();
  // It does nothing any more, and again.
  void Freeze();
  void Thaw();

  // A directory of `uid` at `path`, which nobody else can write to.
  static void MakeDirectory(const std::string& path, uid_t uid);

 private:
  const std::string socket_;
  const uid_t uid_;
  const gid_t gid_;
  std::string binary_;
  pid_t pid_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_PLUGIN_PROCESS_H_
