// The named contexts of this host in memory, each change durable before it
// shows.
#ifndef INNKEEPER_AGENT_CONTEXT_CONTEXT_BOOK_H_
#define INNKEEPER_AGENT_CONTEXT_CONTEXT_BOOK_H_

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/context/context_feed.h"
#include "agent/context/context_record.h"
#include "agent/store/agent_store.h"
#include "auth/permit.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/event_loop.h"

namespace innkeeper {

using ContextPtr = std::shared_ptr<const ContextRecord>;

// Thread-safe; no method but Load blocks. What the pointers point to must
// outlive it, and it is destroyed on the loop's thread or after the loop has
// ended.
class ContextBook {
 public:
  struct Parts {
    EventLoop* loop;
    AgentStore* store;
    ContextFeed* feed;
    const Clock* clock;
  };

  static constexpr size_t kMaxContexts = 256;

  explicit ContextBook(const Parts& parts) : parts_(parts) {}

  // Takes in what the store has; once, at the start. Blocks on the disk. One
  // whose bytes are damaged is logged and left where it is.
  absl::Status Load() ABSL_LOCKS_EXCLUDED(mutex_);

  // Null if there is none.
  ContextPtr Find(absl::string_view id) const ABSL_LOCKS_EXCLUDED(mutex_);
  // By id.
  std::vector<ContextPtr> All() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Both take the proof that the caller administers the host, and answer on the
  // loop once the change is durable.
  //
  // `context` has no faults; its creator, time and etag are set here.
  // ALREADY_EXISTS (CONTEXT_EXISTS), RESOURCE_EXHAUSTED (CONTEXT_UNAVAILABLE)
  // beyond kMaxContexts, UNAVAILABLE (STORE_UNAVAILABLE).
  void Create(const Permit& permit, ContextRecord context,
              Completion<ContextPtr> done);
  // NOT_FOUND (CONTEXT_NOT_FOUND); ABORTED (ETAG_MISMATCH) if `etag` is given
  // and not the context's; UNAVAILABLE (STORE_UNAVAILABLE).
  void Delete(const Permit& permit, std::string id, std::string etag,
              StatusCompletion done);

 private:
  absl::Status CheckNew(const std::string& id) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  void CreateNow(ContextRecord context, Completion<ContextPtr> done);
  void DeleteNow(const std::string& id, const std::string& etag,
                 const std::string& caller, StatusCompletion done);
  // Writes one change of `id`; `apply` makes it show.
  void Write(const std::string& id, Change change,
             absl::AnyInvocable<void()> apply, StatusCompletion done);
  void Tell(const std::vector<EventRecord>& events);

  const Parts parts_;
  // Ids of changes that are being written. On the loop only.
  std::set<std::string> busy_;

  // A leaf lock.
  mutable absl::Mutex mutex_;
  std::map<std::string, ContextPtr, std::less<>> contexts_
      ABSL_GUARDED_BY(mutex_);
};

// In the words of absence, for one that is not there or not for the caller.
absl::Status NoSuchContext(absl::string_view id);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_CONTEXT_CONTEXT_BOOK_H_
