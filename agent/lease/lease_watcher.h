// Tells which addresses leases give, and when that changes.
#ifndef INNKEEPER_AGENT_LEASE_LEASE_WATCHER_H_
#define INNKEEPER_AGENT_LEASE_LEASE_WATCHER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/lease/lease_file.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/executor.h"

namespace innkeeper {

// Reads each network's lease file when it starts, when the file changes
// (inotify(7)) and when a lease runs out. Nobody is asked, neither guest nor
// DHCP server. A file that is not there has no leases; a directory that is not
// there is looked for every 10 s.
class LeaseWatcher {
 public:
  struct Parts {
    EventLoop* loop;
    Executor* executor;
    const Clock* clock;
    // Network ("lan") to the path of its lease file.
    std::map<std::string, std::string> files;
    // Called on the loop: first with what there is, then only with what is
    // different from the last.
    std::function<void(const LeasedAddresses&)> changed;
  };

  // What `parts` points to must outlive this. INTERNAL (SYSTEM_ERROR) or
  // RESOURCE_EXHAUSTED (SYSTEM_ERROR) if the host has no inotify for it.
  static absl::StatusOr<std::unique_ptr<LeaseWatcher>> Start(Parts parts);
  // Not on the loop. `changed` does not run afterwards.
  ~LeaseWatcher();
  LeaseWatcher(const LeaseWatcher&) = delete;
  LeaseWatcher& operator=(const LeaseWatcher&) = delete;

 private:
  class Watch;

  explicit LeaseWatcher(std::shared_ptr<Watch> watch);

  // Lives on the loop; outlives this by what is still posted there.
  const std::shared_ptr<Watch> watch_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LEASE_LEASE_WATCHER_H_
