// The four roles and the permissions that make them.
#ifndef INNKEEPER_AUTH_ROLE_H_
#define INNKEEPER_AUTH_ROLE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/principal.h"

namespace innkeeper {

enum class Role { kAdmin, kOperator, kOwner, kViewer };

// "admin", "operator", "owner" or "viewer"; INVALID_ARGUMENT for all else.
absl::StatusOr<Role> ParseRole(absl::string_view text);
absl::string_view ToString(Role role);

// Every permission there is, sorted.
std::vector<absl::string_view> AllPermissions();
bool IsPermission(absl::string_view permission);

// Whether `role` holds `permission`. False for an unknown permission.
bool Holds(Role role, absl::string_view permission);

// The permission whose holders administer a host: see Permit::Administers.
inline constexpr absl::string_view kAdministerHost = "contexts.create";

// Whether every principal of `kind` holds `permission`, over everything and
// without a binding: who it is and whether the server lives, for all but
// bearers of enrolment tokens; enrolment, for those; reading a host's state and
// inventory, for servers. These also include what no role holds.
bool HoldsByKind(PrincipalKind kind, absl::string_view permission);

// Whether `permission` acts on the whole installation, so that only a binding
// with scope "all" gives it.
bool NeedsScopeAll(absl::string_view permission);

// Whether a call of `permission` names the owner to act for, and means the
// caller where it names none.
bool ActsForOwner(absl::string_view permission);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_ROLE_H_
