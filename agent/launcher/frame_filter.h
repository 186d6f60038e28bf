// What guests may put onto their networks: one table of nftables in the bridge
// family, of this instance's own, in each network namespace that it uses.
//
// Of a frame that comes in by one of its taps, the table lets pass ARP, IPv4
// and IPv6 without VLAN tag, from the guest's own MAC address (also inside of
// ARP), and, where the guest's addresses are declared, from these only. It
// drops what only a router or a DHCP server would send.
#ifndef INNKEEPER_AGENT_LAUNCHER_FRAME_FILTER_H_
#define INNKEEPER_AGENT_LAUNCHER_FRAME_FILTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/launcher/journal_entry.h"
#include "agent/launcher/netlink.h"

namespace innkeeper {

// The table `table` with `taps` in its sets, as text for nft(8): in place of
// whatever table of that name there is, in one transaction.
std::string FilterText(const std::string& table,
                       const std::vector<JournalTap>& taps);

// Not thread-safe. Belongs to the network namespace that the process was in
// when it was opened; Load() must be called in it as well.
class FrameFilter {
 public:
  // `nft` is the path of nft(8); `table` obeys the grammar of an instance, with
  // a prefix. Looks at nothing yet.
  static absl::StatusOr<FrameFilter> Open(std::string nft, std::string table);

  // Puts the table in place, for exactly `taps`. Runs nft(8), for at most 10 s:
  // for the launcher's start, not for each guest. INTERNAL (SYSTEM_ERROR) also
  // if nft ended well, but the kernel has no new table.
  absl::Status Load(const std::vector<JournalTap>& taps);
  // All of `taps` or none, in one transaction. NOT_FOUND if the table is not
  // there.
  absl::Status Add(const std::vector<JournalTap>& taps);
  // OK if any of it is not there.
  absl::Status Remove(const std::vector<JournalTap>& taps);
  // OK if it is not there.
  absl::Status RemoveTable();

 private:
  FrameFilter(std::string nft, std::string table,
              std::unique_ptr<Netlink> netlink)
      : nft_(std::move(nft)),
        table_(std::move(table)),
        netlink_(std::move(netlink)) {}

  // The number that the kernel gave the table when it was made; 0: there is
  // none.
  absl::StatusOr<uint64_t> Handle();

  std::string nft_;
  std::string table_;
  std::unique_ptr<Netlink> netlink_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_FRAME_FILTER_H_
