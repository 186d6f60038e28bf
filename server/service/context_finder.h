// Which hosts have the context that a launch names.
#ifndef INNKEEPER_SERVER_SERVICE_CONTEXT_FINDER_H_
#define INNKEEPER_SERVER_SERVICE_CONTEXT_FINDER_H_

#include <set>
#include <string>

#include "absl/functional/any_invocable.h"
#include "auth/principal.h"
#include "innkeeper/v1/guests.pb.h"
#include "server/inventory/inventory.h"

namespace innkeeper {

// Thread-safe; does not block. The inventory must outlive it.
class ContextFinder {
 public:
  explicit ContextFinder(const Inventory* inventory) : inventory_(*inventory) {}

  // Asks each host that answers and reports the context whether it lets
  // `caller` launch `request` in it. A context that the caller may not use is
  // absent for placement as well, so that nobody learns of it from where a
  // guest would be placed. `done`: the ids of those hosts ("h1"), on any
  // thread; at once, and empty, for a launch that names none.
  void Find(const v1::LaunchGuestRequest& request, const Principal& caller,
            absl::AnyInvocable<void(std::set<std::string>)> done) const;

 private:
  const Inventory& inventory_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_CONTEXT_FINDER_H_
