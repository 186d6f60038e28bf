// The one place where rights are decided.
#ifndef INNKEEPER_AUTH_AUTHORIZER_H_
#define INNKEEPER_AUTH_AUTHORIZER_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/identity.h"
#include "auth/permit.h"
#include "auth/policy.h"
#include "auth/principal.h"
#include "auth/resource.h"
#include "auth/scope.h"

namespace innkeeper {

struct AuthorizerOptions {
  // HOST in the local/HOST/UID of accounts on this machine. No forwarded
  // caller may claim to be one of them.
  std::string local_name;
  // "hosts/h1" at an agent: where what is launched will be. Empty at a server.
  std::string host;
};

// Thread-safe, immutable. The only maker of permits. Default deny.
class Authorizer {
 public:
  explicit Authorizer(Policy policy, AuthorizerOptions options = {})
      : policy_(std::move(policy)), options_(std::move(options)) {}

  // Permits `caller` to use `permission` on `resource`: a name for `resolver`
  // (which may be null where no call names one), an owner "user/NAME" to act in
  // the name of, or "" for a collection (or the caller as owner, see
  // ActsForOwner). `delegate` forwarded the call.
  //
  // PERMISSION_DENIED if the caller has the permission nowhere, or may not act
  // for that owner. NOT_FOUND, word for word the same, if the resource is
  // absent or out of the caller's reach. INVALID_ARGUMENT for a malformed
  // owner. Else what the resolver says.
  absl::StatusOr<Permit> Authorize(const Identity& caller,
                                   std::optional<Principal> delegate,
                                   absl::string_view permission,
                                   absl::string_view resource,
                                   const ResourceResolver* resolver) const;

  // The permit that a recorded operation ran under, after a restart. The
  // resource was checked then and is not looked up again; PERMISSION_DENIED if
  // the caller has the permission nowhere any more.
  absl::StatusOr<Permit> Restore(const Principal& caller,
                                 std::optional<Principal> delegate,
                                 absl::string_view permission,
                                 absl::string_view resource) const;

  // The bindings that apply to `caller`; root on this machine shows as admin.
  std::vector<Binding> BindingsOf(
      const Identity& caller, const std::optional<Principal>& delegate) const;
  // Every permission that `caller` has somewhere, sorted.
  std::vector<std::string> PermissionsOf(
      const Identity& caller, const std::optional<Principal>& delegate) const;

 private:
  std::vector<Scope> ScopesOf(const Identity& caller,
                              const std::optional<Principal>& delegate,
                              absl::string_view permission) const;
  bool ClaimsThisMachine(const Principal& caller) const;

  const Policy policy_;
  const AuthorizerOptions options_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_AUTHORIZER_H_
