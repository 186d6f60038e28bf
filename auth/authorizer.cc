#include "auth/authorizer.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/identity.h"
#include "auth/permit.h"
#include "auth/policy.h"
#include "auth/principal.h"
#include "auth/resource.h"
#include "auth/role.h"
#include "auth/scope.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

absl::Status Denied(const Principal& caller, absl::string_view permission) {
  return Error(absl::StatusCode::kPermissionDenied, reason::kPermissionDenied,
               absl::StrCat(caller.ToString(), " has no role with ", permission,
                            " here; ask an administrator for a binding"))
      .With("principal", caller.ToString())
      .With("permission", permission);
}

// Made from the name alone, so that it cannot say which of the two it was.
absl::Status Absent(absl::string_view resource) {
  absl::string_view kind = "resource";
  absl::string_view why = reason::kPermissionDenied;
  if (absl::StartsWith(resource, "guests/")) {
    kind = "guest";
    why = reason::kGuestNotFound;
  } else if (absl::StartsWith(resource, "hosts/")) {
    kind = "host";
    why = reason::kHostNotFound;
  } else if (absl::StartsWith(resource, "operations/")) {
    kind = "operation";
    why = reason::kOperationNotFound;
  }
  // Of "guests/web" only "web" is shown, as everywhere else.
  const absl::string_view id =
      kind == "resource" ? resource : resource.substr(resource.find('/') + 1);
  const std::string shown = absl::CHexEscape(id);
  return Error(absl::StatusCode::kNotFound, why,
               absl::StrCat(kind, " '", shown, "' does not exist"))
      .With(kind, shown);
}

// Over which `permission` acts in the name of `owner`, at `host`.
absl::StatusOr<ResourceAttributes> OwnedBy(absl::string_view owner,
                                           absl::string_view host) {
  ASSIGN_OR_RETURN(const Principal principal, Principal::Parse(owner));
  ResourceAttributes attributes;
  attributes.owner = principal.ToString();
  attributes.host = std::string(host);
  return attributes;
}

}  // namespace

absl::StatusOr<Permit> Authorizer::Authorize(
    const Identity& caller, std::optional<Principal> delegate,
    absl::string_view permission, absl::string_view resource,
    const ResourceResolver* resolver) const {
  std::vector<Scope> scopes = ScopesOf(caller, delegate, permission);
  if (scopes.empty()) return Denied(caller.principal, permission);
  std::vector<Scope> administered = ScopesOf(caller, delegate, kAdministerHost);
  Permit permit(caller, std::move(delegate), permission, resource,
                std::move(scopes), std::move(administered));

  const bool owner_meant = resource.empty() && ActsForOwner(permission);
  if (owner_meant || absl::StartsWith(resource, "user/")) {
    ASSIGN_OR_RETURN(const ResourceAttributes attributes,
                     OwnedBy(owner_meant ? caller.principal.ToString()
                                         : std::string(resource),
                             options_.host));
    if (permit.CanSee(attributes)) return permit;
    return Error(absl::StatusCode::kPermissionDenied, reason::kPermissionDenied,
                 absl::StrCat(caller.principal.ToString(), " may not use ",
                              permission, " in the name of ", attributes.owner,
                              "; leave the owner empty to act for yourself, "
                              "or ask an administrator for a binding"))
        .With("principal", caller.principal.ToString())
        .With("permission", permission)
        .With("owner", attributes.owner);
  }
  if (resource.empty()) return permit;

  if (resolver == nullptr) return Absent(resource);
  const absl::StatusOr<ResourceAttributes> attributes =
      resolver->Resolve(resource);
  if (absl::IsNotFound(attributes.status())) return Absent(resource);
  if (!attributes.ok()) return attributes.status();
  if (!permit.CanSee(*attributes)) return Absent(resource);
  return permit;
}

absl::StatusOr<Permit> Authorizer::Restore(const Principal& caller,
                                           std::optional<Principal> delegate,
                                           absl::string_view permission,
                                           absl::string_view resource) const {
  Identity identity = {caller, false, "", absl::InfiniteFuture(), "restored"};
  identity.host_admin =
      !delegate.has_value() && caller.kind() == PrincipalKind::kLocal &&
      caller.name() == absl::StrCat(options_.local_name, "/0");
  std::vector<Scope> scopes = ScopesOf(identity, delegate, permission);
  if (scopes.empty()) return Denied(caller, permission);
  std::vector<Scope> administered =
      ScopesOf(identity, delegate, kAdministerHost);
  return Permit(std::move(identity), std::move(delegate), permission, resource,
                std::move(scopes), std::move(administered));
}

std::vector<Binding> Authorizer::BindingsOf(
    const Identity& caller, const std::optional<Principal>& delegate) const {
  if (delegate.has_value() && ClaimsThisMachine(caller.principal)) return {};
  std::vector<Binding> bindings = policy_.BindingsOf(caller.principal);
  if (caller.host_admin && !delegate.has_value()) {
    bindings.push_back(Binding{std::string(ToString(Role::kAdmin)),
                               caller.principal.ToString(),
                               Scope::All().ToString()});
  }
  return bindings;
}

std::vector<std::string> Authorizer::PermissionsOf(
    const Identity& caller, const std::optional<Principal>& delegate) const {
  std::vector<std::string> permissions;
  for (const absl::string_view permission : AllPermissions()) {
    if (!ScopesOf(caller, delegate, permission).empty()) {
      permissions.emplace_back(permission);
    }
  }
  return permissions;
}

std::vector<Scope> Authorizer::ScopesOf(
    const Identity& caller, const std::optional<Principal>& delegate,
    absl::string_view permission) const {
  if (!IsPermission(permission)) return {};
  const PrincipalKind kind = caller.principal.kind();
  if (delegate.has_value()) {
    // A server speaks for people and programs. Were it believed about hosts,
    // servers or accounts on this machine, it could grant itself their rights.
    const bool believed =
        kind == PrincipalKind::kUser || kind == PrincipalKind::kService ||
        (kind == PrincipalKind::kLocal && !ClaimsThisMachine(caller.principal));
    if (!believed) return {};
  }
  if (HoldsByKind(kind, permission)) return {Scope::All()};
  if (caller.host_admin && !delegate.has_value() &&
      Holds(Role::kAdmin, permission)) {
    return {Scope::All()};
  }
  return policy_.ScopesOf(caller.principal, permission);
}

bool Authorizer::ClaimsThisMachine(const Principal& caller) const {
  return caller.kind() == PrincipalKind::kLocal &&
         absl::StartsWith(caller.name(),
                          absl::StrCat(options_.local_name, "/"));
}

}  // namespace innkeeper
