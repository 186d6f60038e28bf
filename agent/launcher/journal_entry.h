// What the launcher writes down about one guest.
#ifndef INNKEEPER_AGENT_LAUNCHER_JOURNAL_ENTRY_H_
#define INNKEEPER_AGENT_LAUNCHER_JOURNAL_ENTRY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/net_address.h"

namespace innkeeper {

// One of a guest's network interfaces, on the host's side.
struct JournalTap {
  std::string device;  // Generated: "ink1a2b3c4d-0".
  std::string network;
  MacAddress mac = {};
  std::vector<std::string> addresses;  // As in PlannedTap.
};

// Everything else of a guest (directory, control groups) follows from its id.
struct JournalEntry {
  // False: the launch was only intended, and is undone at the next start.
  bool launched = false;
  std::string guest;
  std::string uid;
  // The kernel's boot id: of an earlier boot nothing can be left running.
  std::string boot_id;
  // The guest's pair of the pool: the keeper's uid follows from it
  // (uid_pool.h). 0: none yet.
  uint32_t unix_uid = 0;
  // What QEMU is: of the pair, or what its context names, which others may
  // share.
  uint32_t qemu_uid = 0;
  uint32_t qemu_gid = 0;
  std::string slice;          // Of its control groups; "" if none.
  std::string selinux_label;  // "" if none of its own.
  // What the guest keeps was made by this launch and is undone with it; false
  // once `launched`.
  bool made_state = false;
  // Only if `launched`.
  int64_t pid = 0;
  uint64_t start_time_ticks = 0;
  int64_t keeper_pid = 0;
  uint64_t keeper_start_time_ticks = 0;
  // Written before the first of them is made.
  std::vector<JournalTap> taps;
};

inline constexpr size_t kMaxJournalEntryBytes = 4096;

std::string EncodeJournalEntry(const JournalEntry& entry);
// INVALID_ARGUMENT (INVALID_REQUEST) if `data` is no whole entry.
absl::StatusOr<JournalEntry> DecodeJournalEntry(absl::string_view data);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_JOURNAL_ENTRY_H_
