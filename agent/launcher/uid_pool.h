// Uids that belong to one guest at a time.
#ifndef INNKEEPER_AGENT_LAUNCHER_UID_POOL_H_
#define INNKEEPER_AGENT_LAUNCHER_UID_POOL_H_

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace innkeeper {

// Uids come in pairs: QEMU's and the keeper's; each one's gid is the same
// number. Not thread-safe.
//
// Pairs are handed out in turn and the turn outlives the launcher, so that a
// freed pair comes back as late as possible, and never while a process has one
// of its uids. No file outlives its guest: the one place where a guest's uid
// owns files is its log directory, which goes before the pair is freed.
class UidPool {
 public:
  // `count` uids from `base`; the turn is kept in the file `turn_path`.
  UidPool(uid_t base, uint32_t count, std::string turn_path);

  // A pair that is not in `live` and that no process has. It is taken once the
  // caller has put it into `live`. RESOURCE_EXHAUSTED (UID_POOL_EXHAUSTED).
  absl::StatusOr<uint32_t> Allocate(const std::set<uint32_t>& live);

  uid_t QemuUid(uint32_t pair) const { return base_ + 2 * pair; }
  uid_t KeeperUid(uint32_t pair) const { return base_ + 2 * pair + 1; }

 private:
  const uid_t base_;
  const uint32_t pairs_;
  const std::string turn_path_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_UID_POOL_H_
