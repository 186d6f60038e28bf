#include "auth/permit.h"

#include <algorithm>
#include <string>

#include "auth/resource.h"
#include "auth/scope.h"

namespace innkeeper {

bool Permit::Administers(absl::string_view host) const {
  if (host.empty()) return false;
  // Nobody's and without labels: only a scope that holds the whole host, not
  // one that holds some of what is on it, reaches this.
  ResourceAttributes attributes;
  attributes.name = std::string(host);
  attributes.host = std::string(host);
  return std::any_of(administered_->begin(), administered_->end(),
                     [&](const Scope& scope) {
                       return scope.Covers(caller_.principal, attributes);
                     });
}

bool Permit::CanSee(const ResourceAttributes& resource) const {
  return std::any_of(scopes_->begin(), scopes_->end(), [&](const Scope& scope) {
    return scope.Covers(caller_.principal, resource);
  });
}

}  // namespace innkeeper
