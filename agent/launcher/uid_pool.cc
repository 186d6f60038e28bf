#include "agent/launcher/uid_pool.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/launcher/small_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

bool HasProcess(uid_t uid) {
  // -1 is a priority, too: only errno tells.
  errno = 0;
  getpriority(PRIO_USER, uid);
  return errno != ESRCH;
}

// A range that was moved by an odd number has pairs that lie across `live`'s.
bool Overlaps(const std::set<uid_t>& live, uid_t qemu) {
  const auto next = live.lower_bound(qemu == 0 ? 0 : qemu - 1);
  return next != live.end() && *next <= UidPool::KeeperUid(qemu);
}

}  // namespace

UidPool::UidPool(uid_t base, uint32_t count, std::string turn_path)
    : base_(base), pairs_(count / 2), turn_path_(std::move(turn_path)) {}

absl::StatusOr<uid_t> UidPool::Allocate(const std::set<uid_t>& live) {
  uint32_t turn = 0;
  const absl::StatusOr<std::string> text = ReadFile(turn_path_, 64);
  // A lost turn costs a pair's rest, never its exclusiveness.
  if (!text.ok() || !absl::SimpleAtoi(*text, &turn)) turn = 0;
  for (uint32_t tried = 0; tried < pairs_; ++tried) {
    const uint32_t pair = (turn + tried) % pairs_;
    const uid_t qemu = base_ + 2 * pair;
    if (Overlaps(live, qemu) || HasProcess(qemu) ||
        HasProcess(KeeperUid(qemu))) {
      continue;
    }
    RETURN_IF_ERROR(
        ReplaceFile(turn_path_, absl::StrCat((pair + 1) % pairs_, "\n"), 0600));
    return qemu;
  }
  return Error(absl::StatusCode::kResourceExhausted, reason::kUidPoolExhausted,
               absl::StrCat("all ", pairs_,
                            " uid pairs are in use; release guests or raise "
                            "--uid-count"))
      .With("pairs", absl::StrCat(pairs_));
}

}  // namespace innkeeper
