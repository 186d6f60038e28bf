// Gives up what is held for guests that are no more.
#ifndef INNKEEPER_SERVER_SERVICE_GUEST_RECONCILER_H_
#define INNKEEPER_SERVER_SERVICE_GUEST_RECONCILER_H_

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "server/inventory/inventory.h"
#include "server/operations/operation_manager.h"
#include "server/service/guest_claims.h"

namespace innkeeper {

// A guest can be deleted at its agent, past the server. Its id and its
// reservation are given up once its host, which answers, has been without it
// for a while and no operation is about it. Thread-safe; does not block. The
// pointers must outlive it, and it the last task of loop and executor.
class GuestReconciler {
 public:
  struct Parts {
    EventLoop* loop;
    Executor* executor;
    OperationManager* operations;
    Inventory* inventory;
    GuestClaims* claims;
    // How long a guest must be missing: longer than news of a launch take.
    absl::Duration grace = absl::Seconds(10);
  };

  explicit GuestReconciler(const Parts& parts) : parts_(parts) {}

  // Guests of `host` ("h1") may have gone. On the loop.
  void Look(const std::string& host);

 private:
  // These run on a worker.
  void Begin(const std::string& host);
  void End(const std::string& host, const std::vector<std::string>& missing);
  std::vector<GuestClaim> Missing(const std::string& host) const;

  const Parts parts_;
  // Hosts that are being looked at. The loop's.
  std::set<std::string> busy_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_GUEST_RECONCILER_H_
