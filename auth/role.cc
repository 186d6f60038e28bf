#include "auth/role.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr unsigned kA = 1u << static_cast<int>(Role::kAdmin);
constexpr unsigned kO = 1u << static_cast<int>(Role::kOperator);
constexpr unsigned kW = 1u << static_cast<int>(Role::kOwner);
constexpr unsigned kV = 1u << static_cast<int>(Role::kViewer);

enum class ByKind {
  kNone,
  kAnybody,  // All but bearers of enrolment tokens.
  kServer,
  kEnrol,
};

struct Permission {
  absl::string_view name;
  unsigned roles;
  ByKind by_kind = ByKind::kNone;
  bool needs_scope_all = false;
  bool acts_for_owner = false;
};

// Sorted by name.
constexpr Permission kPermissions[] = {
    {"agent.inventory", 0, ByKind::kServer, true},
    {"consoles.attach", kA | kO | kW},
    {"contexts.create", kA},
    {"contexts.delete", kA},
    {"contexts.get", kA | kO | kW | kV, ByKind::kServer},
    {"contexts.list", kA | kO | kW | kV, ByKind::kServer},
    {"events.watch", kA | kO | kW | kV, ByKind::kServer},
    {"guests.delete", kA | kO | kW},
    {"guests.explain", kA | kO | kW | kV, ByKind::kNone, false, true},
    {"guests.get", kA | kO | kW | kV, ByKind::kServer},
    {"guests.launch", kA | kO | kW, ByKind::kNone, false, true},
    {"guests.list", kA | kO | kW | kV, ByKind::kServer},
    {"guests.pause", kA | kO | kW},
    {"guests.reboot", kA | kO | kW},
    {"guests.resume", kA | kO | kW},
    {"guests.security", kA | kO | kW | kV},
    {"guests.start", kA | kO | kW},
    {"guests.stop", kA | kO | kW},
    {"guests.watch", kA | kO | kW | kV, ByKind::kServer},
    {"health.check", kA | kO | kW | kV, ByKind::kAnybody},
    {"hosts.cordon", kA | kO},
    {"hosts.createToken", kA, ByKind::kNone, true},
    {"hosts.enrol", 0, ByKind::kEnrol, true},
    {"hosts.get", kA | kO | kV, ByKind::kServer},
    {"hosts.list", kA | kO | kV, ByKind::kServer},
    {"hosts.remove", kA},
    {"hosts.uncordon", kA | kO},
    {"operations.cancel", kA | kO | kW},
    {"operations.get", kA | kO | kW | kV, ByKind::kServer},
    {"operations.list", kA | kO | kW | kV, ByKind::kServer},
    {"operations.wait", kA | kO | kW | kV, ByKind::kServer},
    {"policy.whoami", kA | kO | kW | kV, ByKind::kAnybody},
    {"reflection.use", kA, ByKind::kNone, true},
};

const Permission* FindPermission(absl::string_view name) {
  const auto* found = std::find_if(
      std::begin(kPermissions), std::end(kPermissions),
      [&](const Permission& permission) { return permission.name == name; });
  return found == std::end(kPermissions) ? nullptr : found;
}

}  // namespace

absl::StatusOr<Role> ParseRole(absl::string_view text) {
  for (const Role role :
       {Role::kAdmin, Role::kOperator, Role::kOwner, Role::kViewer}) {
    if (text == ToString(role)) return role;
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               absl::StrCat("'", absl::CHexEscape(text),
                            "' is not a role: write admin, operator, owner "
                            "or viewer"))
      .With("role", text);
}

absl::string_view ToString(Role role) {
  switch (role) {
    case Role::kAdmin:
      return "admin";
    case Role::kOperator:
      return "operator";
    case Role::kOwner:
      return "owner";
    case Role::kViewer:
      return "viewer";
  }
  return "";
}

std::vector<absl::string_view> AllPermissions() {
  std::vector<absl::string_view> names;
  for (const Permission& permission : kPermissions) {
    names.push_back(permission.name);
  }
  return names;
}

bool IsPermission(absl::string_view permission) {
  return FindPermission(permission) != nullptr;
}

bool Holds(Role role, absl::string_view permission) {
  const Permission* found = FindPermission(permission);
  return found != nullptr &&
         (found->roles & (1u << static_cast<int>(role))) != 0;
}

bool HoldsByKind(PrincipalKind kind, absl::string_view permission) {
  const Permission* found = FindPermission(permission);
  if (found == nullptr) return false;
  switch (found->by_kind) {
    case ByKind::kNone:
      return false;
    case ByKind::kAnybody:
      return kind != PrincipalKind::kEnrol;
    case ByKind::kServer:
      return kind == PrincipalKind::kServer;
    case ByKind::kEnrol:
      return kind == PrincipalKind::kEnrol;
  }
  return false;
}

bool NeedsScopeAll(absl::string_view permission) {
  const Permission* found = FindPermission(permission);
  return found != nullptr && found->needs_scope_all;
}

bool ActsForOwner(absl::string_view permission) {
  const Permission* found = FindPermission(permission);
  return found != nullptr && found->acts_for_owner;
}

}  // namespace innkeeper
