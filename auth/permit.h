// Proof that somebody may do something.
#ifndef INNKEEPER_AUTH_PERMIT_H_
#define INNKEEPER_AUTH_PERMIT_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "auth/identity.h"
#include "auth/principal.h"
#include "auth/resource.h"
#include "auth/scope.h"

namespace innkeeper {

// A value that only Authorizer makes, so that code which takes one cannot be
// reached past it. Copyable; thread-compatible.
class Permit {
 public:
  // Who acts.
  const Identity& caller() const { return caller_; }
  // Who forwarded the call for the caller ("server/s1"), if anybody did.
  const std::optional<Principal>& delegate() const { return delegate_; }
  // What may be done: "guests.start".
  const std::string& permission() const { return permission_; }
  // To what: "guests/web", an owner ("user/alice"), or empty for a collection.
  const std::string& resource() const { return resource_; }

  // Whether the caller may do this to `resource`. For each row of a collection,
  // and for what a call makes: a call without a resource says only that it is
  // permitted somewhere.
  bool CanSee(const ResourceAttributes& resource) const;

  // Whether the caller administers `host` ("hosts/h1"), which is to say: may
  // define contexts there, and so choose every part of what confines a guest.
  // Whatever this permit is for.
  bool Administers(absl::string_view host) const;

 private:
  friend class Authorizer;

  Permit(Identity caller, std::optional<Principal> delegate,
         absl::string_view permission, absl::string_view resource,
         std::vector<Scope> scopes, std::vector<Scope> administered)
      : caller_(std::move(caller)),
        delegate_(std::move(delegate)),
        permission_(permission),
        resource_(resource),
        scopes_(std::make_shared<const std::vector<Scope>>(std::move(scopes))),
        administered_(std::make_shared<const std::vector<Scope>>(
            std::move(administered))) {}

  Identity caller_;
  std::optional<Principal> delegate_;
  std::string permission_;
  std::string resource_;
  // Where the caller has the permission. Shared by copies.
  std::shared_ptr<const std::vector<Scope>> scopes_;
  // Where it has kAdministerHost. Shared by copies.
  std::shared_ptr<const std::vector<Scope>> administered_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_PERMIT_H_
