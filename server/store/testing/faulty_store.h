// Another store, with faults that a test orders.
#ifndef INNKEEPER_SERVER_STORE_TESTING_FAULTY_STORE_H_
#define INNKEEPER_SERVER_STORE_TESTING_FAULTY_STORE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/store/store.h"

namespace innkeeper {

// What goes wrong with one Commit.
enum class CommitFault {
  kNone,
  // UNAVAILABLE; nothing is written.
  kUnavailable,
  // UNKNOWN, and it was written (if its compares held).
  kUnknownApplied,
  // UNKNOWN, and it was not written.
  kUnknownLost,
  // UNKNOWN; it reaches the store when the test calls DeliverLate.
  kUnknownLate,
  // Another writer is faster: every existing key that the Txn compares is
  // first written anew with the value that it has.
  kConflict,
};

// Thread-safe. Does not own the store that it wraps.
class FaultyStore : public Store {
 public:
  // Chooses the fault of each Commit; called from any thread, one call at a
  // time. It may not call this store.
  using Chooser = absl::AnyInvocable<CommitFault(const Txn&)>;

  explicit FaultyStore(Store* store) : store_(store) {}

  // None chosen at first.
  void ChooseFaults(Chooser chooser) ABSL_LOCKS_EXCLUDED(mutex_);
  // The next commits have `faults`, one each; those after them none.
  void FailNextCommits(std::vector<CommitFault> faults);
  // Every Get and List is UNAVAILABLE while true.
  void FailReads(bool fail) ABSL_LOCKS_EXCLUDED(mutex_);
  // Commits what kUnknownLate kept back.
  void DeliverLate() ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls of Commit so far.
  int64_t commits() const ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<GetResult> Get(absl::string_view key) override;
  absl::StatusOr<ListResult> List(absl::string_view prefix, int64_t limit,
                                  absl::string_view start_after) override;
  absl::StatusOr<TxnResult> Commit(const Txn& txn) override;
  std::unique_ptr<Watch> StartWatch(absl::string_view prefix,
                                    int64_t from_revision,
                                    WatchCallback callback) override;
  absl::Status Compact(int64_t revision) override;

 private:
  CommitFault ChooseFault(const Txn& txn) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckReads() ABSL_LOCKS_EXCLUDED(mutex_);
  void Disturb(const Txn& txn);

  Store* const store_;
  mutable absl::Mutex mutex_;
  Chooser chooser_ ABSL_GUARDED_BY(mutex_);
  bool fail_reads_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Txn> late_ ABSL_GUARDED_BY(mutex_);
  int64_t commits_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_TESTING_FAULTY_STORE_H_
