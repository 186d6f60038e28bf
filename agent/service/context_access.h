// What a caller may do with contexts here.
#ifndef INNKEEPER_AGENT_SERVICE_CONTEXT_ACCESS_H_
#define INNKEEPER_AGENT_SERVICE_CONTEXT_ACCESS_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "agent/context/context_book.h"
#include "agent/context/context_record.h"
#include "agent/context/context_spec.h"
#include "agent/guest/guest_record.h"
#include "agent/launch/launch_context.h"
#include "auth/permit.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class ContextAccess {
 public:
  // Those parts of a context that the host cannot give to a guest of `owner`,
  // "user/ada". Must be thread-safe and not block.
  using FindUnavailable = std::function<std::vector<ContextFault>(
      const LaunchContext& context, absl::string_view owner)>;

  // `host` is "hosts/h1".
  ContextAccess(const ContextBook* book, std::string host,
                FindUnavailable find_unavailable)
      : book_(*book),
        host_(std::move(host)),
        find_unavailable_(std::move(find_unavailable)) {}

  // Whether `context` is there for the caller: who is listed in it, who
  // administers the host, and servers in their own name.
  bool Sees(const Permit& permit, const ContextRecord& context) const;

  // Sets `guest`'s effective context from what its spec asks for. A context may
  // be named if it lists the caller, or the owner for whom the caller launches,
  // or if the caller administers the host; who does may choose any part.
  //
  // NOT_FOUND (CONTEXT_NOT_FOUND), also for one that may not be named;
  // PERMISSION_DENIED (CONTEXT_PART_REFUSED) with every part that the caller
  // may not choose; FAILED_PRECONDITION (CONTEXT_UNAVAILABLE) with every part
  // that the host cannot give.
  absl::Status Resolve(const Permit& permit, GuestRecord* guest) const;

  // OK if the host can give all of `spec`; else FAILED_PRECONDITION
  // (CONTEXT_UNAVAILABLE) with every part that it cannot, as fields under
  // `prefix`. `owner` is empty if it is not known yet: then nothing is said of
  // what depends on it.
  absl::Status CheckAvailable(const ContextSpec& spec, absl::string_view owner,
                              const std::string& prefix) const;

 private:
  const ContextBook& book_;
  const std::string host_;
  const FindUnavailable find_unavailable_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_CONTEXT_ACCESS_H_
