// The guests that a list shows, ready to be sent.
#ifndef INNKEEPER_CATALOG_GUEST_TABLE_H_
#define INNKEEPER_CATALOG_GUEST_TABLE_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "auth/resource.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/list_query.h"

namespace innkeeper {

// One guest. Immutable.
struct GuestRow {
  v1::Guest guest;  // Whole.
  // What its host calls it: "guests/web", also where it is shown under another
  // name.
  std::string reported_name;
  // The guest as an element of a list's response, in each view.
  std::string basic_element;
  std::string full_element;
  ResourceAttributes attributes;
};
using GuestRowPtr = std::shared_ptr<const GuestRow>;

// `guest` in the BASIC view.
v1::Guest ToBasicView(const v1::Guest& guest);
// `reported_name` is that of `guest` if it is empty.
GuestRowPtr MakeGuestRow(v1::Guest guest, std::string reported_name = "");

// All guests at one moment, by name. Immutable.
struct GuestSnapshot {
  std::vector<GuestRowPtr> rows;
  // The same, for rpc/list_query.
  std::unique_ptr<const ListSnapshot> list;
  // Hosts that do not answer.
  std::vector<std::string> unreachable;
};

// Thread-safe; nothing blocks. A list reads a snapshot, which is made when the
// first list after a change asks for it, so that a burst of changes costs no
// copies and a list never waits for a guest.
class GuestTable {
 public:
  // A row before and after it got another name.
  struct Renamed {
    GuestRowPtr before;
    GuestRowPtr after;
  };

  // Takes in a guest, in place of what was known under its uid. If its name
  // belongs to another guest, it is shown as NAME-<6 hex digits of its uid>
  // (more of them where even that name is taken). Returns the row as it is
  // shown.
  GuestRowPtr Put(v1::Guest guest) ABSL_LOCKS_EXCLUDED(mutex_);
  // The name belongs to the guest `uid` from now on, be it here or not.
  // Otherwise the first guest that comes has it. A guest that has the name now
  // is shown under another one: which, is returned; null pointers if there was
  // none.
  Renamed Claim(const std::string& name, const std::string& uid)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes that back; what is shown keeps its name.
  void Unclaim(const std::string& name, absl::string_view uid)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What the guest `uid`, which its host calls `name`, is shown as, or would be
  // if it were here.
  std::string NameOf(const std::string& name, const std::string& uid) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The row that was taken out; null if there was none.
  GuestRowPtr Remove(absl::string_view uid) ABSL_LOCKS_EXCLUDED(mutex_);

  // The guests of `host` are shown as stale, or no longer. What is stale was
  // true until `contact`, when the host was last heard of. Returns the rows
  // that changed.
  std::vector<GuestRowPtr> SetUnreachable(
      const std::string& host, bool unreachable,
      absl::Time contact = absl::InfinitePast()) ABSL_LOCKS_EXCLUDED(mutex_);
  // The guests of `host` that are not among `uids` are gone. Returns them.
  std::vector<GuestRowPtr> RetainOnHost(const std::string& host,
                                        const std::set<std::string>& uids)
      ABSL_LOCKS_EXCLUDED(mutex_);

  std::shared_ptr<const GuestSnapshot> Snapshot() const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // By "guests/web"; null if there is none.
  GuestRowPtr Find(absl::string_view name) const ABSL_LOCKS_EXCLUDED(mutex_);
  GuestRowPtr FindByUid(absl::string_view uid) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  bool MayHave(const std::string& name, const std::string& uid) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string ShownName(const std::string& name, const std::string& uid) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Insert(const GuestRowPtr& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(const GuestRowPtr& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // A leaf lock.
  mutable absl::Mutex mutex_;
  std::map<std::string, GuestRowPtr, std::less<>> by_name_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, GuestRowPtr> by_uid_ ABSL_GUARDED_BY(mutex_);
  // Uids by name.
  std::map<std::string, std::string> claims_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> unreachable_ ABSL_GUARDED_BY(mutex_);
  // Null after a change.
  mutable std::shared_ptr<const GuestSnapshot> snapshot_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_GUEST_TABLE_H_
