// The host's ends of guests' network interfaces.
#ifndef INNKEEPER_AGENT_LAUNCHER_TAPS_H_
#define INNKEEPER_AGENT_LAUNCHER_TAPS_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/config.h"
#include "agent/launcher/frame_filter.h"
#include "agent/launcher/journal_entry.h"
#include "agent/launcher/netlink.h"
#include "agent/launcher/network_config.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Makes taps, plugs them into the bridges of their networks and tells the frame
// filter of each network namespace what they may send. Not thread-safe; for a
// root process with one thread, which leaves its own network namespace while a
// tap is made elsewhere.
class Taps {
 public:
  // `config` has passed CheckConfig().
  explicit Taps(const LauncherConfig& config);

  // Puts the filters in place for `live`, the taps of all guests, instead of
  // what an earlier launcher left. What fails is logged, and tried again when a
  // guest needs it.
  void Restore(const std::vector<JournalTap>& live);

  // Whether `planned` may be made beside `live`. NOT_FOUND (NETWORK_NOT_FOUND),
  // PERMISSION_DENIED (LAUNCHER_REFUSED) where addresses must be declared,
  // FAILED_PRECONDITION (ADDRESS_IN_USE).
  absl::Status Check(const std::vector<PlannedTap>& planned,
                     const std::vector<JournalTap>& live) const;

  // What is to be written down before Make(), with names that nobody has.
  static std::vector<JournalTap> Name(const std::vector<PlannedTap>& planned);

  // The queues of `planned`, which are `named`, one tap after the other. `live`
  // are the taps of all guests, these among them. A tap is gone when its queues
  // are closed; Remove() undoes the rest.
  // FAILED_PRECONDITION (NETWORK_UNAVAILABLE).
  absl::StatusOr<std::vector<UniqueFd>> Make(
      const std::vector<PlannedTap>& planned,
      const std::vector<JournalTap>& named,
      const std::vector<JournalTap>& live);

  // OK if any of it is not there.
  absl::Status Remove(const std::vector<JournalTap>& taps);

  // Takes the filters away, for a launcher without guests.
  void RemoveFilters();

  // The networks by name.
  const std::map<std::string, NetworkConfig>& networks() const {
    return networks_;
  }

 private:
  // A network namespace that networks are in.
  struct Zone {
    std::string name;  // Of /run/netns; empty: the launcher's own.
    ino_t inode = 0;   // Which namespace had the name.
    UniqueFd fd;       // Invalid for the launcher's own.
    std::unique_ptr<Netlink> route;
    std::optional<FrameFilter> filter;
  };

  // The zone of `name`, opened where it is not, or is another one by now.
  absl::StatusOr<Zone*> OpenZone(const std::string& name);
  absl::Status RunIn(const Zone& zone,
                     const std::function<absl::Status()>& work) const;
  absl::Status LoadFilter(Zone& zone, const std::vector<JournalTap>& taps);
  absl::Status AddToFilter(Zone& zone, const std::vector<JournalTap>& named,
                           const std::vector<JournalTap>& live);
  absl::StatusOr<int> BridgeOf(Zone& zone, const NetworkConfig& network);
  absl::Status MakeOne(const PlannedTap& planned, const JournalTap& named,
                       std::vector<UniqueFd>& queues);

  const std::map<std::string, NetworkConfig> networks_;
  const std::string nft_;
  const std::string table_;
  UniqueFd home_;  // This process's own namespace.
  std::map<std::string, Zone> zones_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_TAPS_H_
