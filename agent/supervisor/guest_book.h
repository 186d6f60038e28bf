// The guests of this host in memory, each change durable before it shows.
#ifndef INNKEEPER_AGENT_SUPERVISOR_GUEST_BOOK_H_
#define INNKEEPER_AGENT_SUPERVISOR_GUEST_BOOK_H_

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/guest/guest_record.h"
#include "agent/store/agent_store.h"
#include "agent/store/store_types.h"
#include "agent/supervisor/guest_feed.h"
#include "agent/supervisor/operation_encoder.h"
#include "agent/supervisor/operation_tracker.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

// An event about the guest that is written.
struct EventDraft {
  std::string type;  // "guest.started"
  std::string message;
  std::string operation;  // Or empty.
  std::string caller;     // Or empty.
};

// One change of one guest: all of it becomes durable together, or nothing.
struct GuestWrite {
  // Changes the record; may be null. Runs when the write's turn has come.
  absl::AnyInvocable<void(GuestRecord&)> change;
  std::vector<EventDraft> events;
  // An operation that begins or goes on; with `outcome` it ends, and if that is
  // OK with the changed record as its result (nothing, with `remove`).
  std::optional<OperationRecord> operation;
  std::optional<absl::Status> outcome;
  std::optional<LedgerEntry> ledger;
  // The guest leaves the book.
  bool remove = false;
  // True: what is written has happened, so a disk that fails is tried again
  // until it works, and `done` gets no UNAVAILABLE.
  bool keep_trying = true;
  // May be null. Runs on the loop, after the feed was told.
  Completion<CommitResult> done;
};

// Used on the event loop only. What the pointers point to must outlive it.
class GuestBook {
 public:
  struct Parts {
    EventLoop* loop;
    AgentStore* store;
    OperationTracker* tracker;
    const OperationEncoder* encoder;
    GuestFeed* feed;
    const Clock* clock;
  };

  explicit GuestBook(const Parts& parts) : parts_(parts) {}

  // Takes in a record that the store has; for the start of the agent.
  void Load(GuestRecord record);

  // The record as committed last; null if there is none, or not yet.
  const GuestRecord* Find(absl::string_view id) const;
  // Whether the id is taken, also by a guest that is not committed yet.
  bool Has(absl::string_view id) const { return entries_.count(id) != 0; }
  size_t size() const { return entries_.size(); }
  // Ids, in order.
  std::vector<std::string> Ids() const;
  // What all guests have been given, also those not committed yet.
  int64_t AllocatedMemoryBytes() const;
  int64_t AllocatedVcpus() const;

  // Begins a guest with `record` (its revision and times are set here). `id`
  // must be free. If the write fails it was never there.
  void Add(GuestRecord record, GuestWrite write);

  // Writes after all earlier writes of the guest. If the guest has left the
  // book by then, an operation that was to end with it ends all the same;
  // nothing else happens, and `done` gets NOT_FOUND.
  void Write(absl::string_view id, GuestWrite write);

  // Ends an operation whose guest is not in the book.
  void EndOperation(OperationRecord operation, absl::Status outcome);

  // Runs `task` on the loop once the guest has no write in progress.
  void WhenIdle(absl::string_view id, absl::AnyInvocable<void()> task);

  bool unresponsive(absl::string_view id) const;
  void SetUnresponsive(absl::string_view id, bool unresponsive);
  // Which operation is changing the guest, for the feed; empty: none.
  void SetOperation(absl::string_view id, const std::string& operation);

  // Thread-safe, unlike the book: what its operations are, as far as the feed
  // was told of what they did.
  OperationTracker* tracker() const { return parts_.tracker; }

 private:
  struct Entry {
    GuestRecord record;
    bool committed = false;
    bool unresponsive = false;
    std::string operation;
    std::deque<GuestWrite> writes;  // The first one is in progress.
    std::vector<absl::AnyInvocable<void()>> idle;
  };

  // As exact as the store keeps times: what is told now and what is read back
  // later must be the same.
  absl::Time Now() const;

  void RunFirst(const std::string& id);
  void Finish(const std::string& id, GuestRecord next, Change change,
              absl::StatusOr<CommitResult> result);
  // Tries until the disk works.
  void CommitOperation(OperationRecord operation);
  void FinishOperation(const GuestRecord& next, GuestWrite* write) const;
  std::vector<EventRecord> MakeEvents(const GuestRecord& record,
                                      const GuestWrite& write) const;

  const Parts parts_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_GUEST_BOOK_H_
