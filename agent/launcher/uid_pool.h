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

// Uids come in pairs: QEMU's and, next to it, the keeper's; each one's gid is
// the same number. A pair is named by QEMU's. Not thread-safe.
//
// Pairs are handed out in turn and the turn outlives the launcher, so that a
// freed pair comes back as late as possible, and never while a process has one
// of its uids. No file outlives its guest: the one place where a guest's uid
// owns files is its log directory, which goes before the pair is freed.
class UidPool {
 public:
  // `count` uids from `base`; the turn is kept in the file `turn_path`.
  UidPool(uid_t base, uint32_t count, std::string turn_path);

  // A pair that shares no uid with those in `live` and that no process has. It
  // is taken once the caller has put it into `live`. RESOURCE_EXHAUSTED
  // (UID_POOL_EXHAUSTED).
  absl::StatusOr<uid_t> Allocate(const std::set<uid_t>& live);

  static uid_t KeeperUid(uid_t qemu) { return qemu + 1; }

  // Whether both uids of the pair are the pool's.
  bool Contains(uid_t qemu) const {
    return qemu >= base_ && KeeperUid(qemu) - base_ < 2 * pairs_;
  }

 private:
  const uid_t base_;
  const uint32_t pairs_;
  const std::string turn_path_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_UID_POOL_H_
