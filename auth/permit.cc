#include "auth/permit.h"

#include <algorithm>

#include "auth/resource.h"
#include "auth/scope.h"

namespace innkeeper {

bool Permit::CanSee(const ResourceAttributes& resource) const {
  return std::any_of(scopes_->begin(), scopes_->end(), [&](const Scope& scope) {
    return scope.Covers(caller_.principal, resource);
  });
}

}  // namespace innkeeper
