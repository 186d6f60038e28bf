// A libvirtd under measurement: what a user would have instead.
#ifndef INNKEEPER_BENCH_LIBVIRT_HOST_H_
#define INNKEEPER_BENCH_LIBVIRT_HOST_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"
#include "libvirt/libvirt.h"

namespace innkeeper {

// Needs root and Debian's libvirtd. It runs in a mount namespace of its own, in
// which its directories are below `dir`, so that a libvirtd of this machine and
// its guests are never touched. What fails ends the program. Not thread-safe.
class LibvirtHost {
 public:
  explicit LibvirtHost(const std::string& dir);
  // Destroys every guest, then ends the daemon.
  ~LibvirtHost();
  LibvirtHost(const LibvirtHost&) = delete;
  LibvirtHost& operator=(const LibvirtHost&) = delete;

  // A q35 guest of one vCPU without disks, paused. Returns QEMU's pid.
  pid_t Launch(const std::string& name, int64_t memory_bytes);

  // SIGKILL to the daemon, then another. From the first sight of the new
  // program until it has listed `guests` active guests.
  absl::Duration Restart(int guests);

 private:
  // Returns once the new process runs libvirtd's program.
  void Start();
  void Connect();
  void Disconnect();
  // -1: no answer.
  int CountActive() const;

  const std::string dir_;
  pid_t daemon_ = 0;
  virConnectPtr connection_ = nullptr;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BENCH_LIBVIRT_HOST_H_
