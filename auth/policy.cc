#include "auth/policy.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/principal.h"
#include "auth/role.h"
#include "auth/scope.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

bool MayHaveRoles(PrincipalKind kind) {
  return kind == PrincipalKind::kUser || kind == PrincipalKind::kService ||
         kind == PrincipalKind::kLocal;
}

bool IsPattern(absl::string_view pattern) {
  if (pattern == "user/*" || pattern == "service/*") return true;
  // A pattern is checked as one of the names that it stands for.
  std::string sample(pattern);
  if (absl::StartsWith(pattern, "local/") && absl::EndsWith(pattern, "/*")) {
    sample.back() = '0';
  }
  const absl::StatusOr<Principal> principal = Principal::Parse(sample);
  return principal.ok() && MayHaveRoles(principal->kind());
}

bool Matches(absl::string_view pattern, const Principal& principal) {
  if (!MayHaveRoles(principal.kind())) return false;
  const std::string name = principal.ToString();
  if (!absl::EndsWith(pattern, "/*")) return name == pattern;
  return absl::StartsWith(name, pattern.substr(0, pattern.size() - 1));
}

}  // namespace

absl::StatusOr<Policy> Policy::Create(const std::vector<Binding>& bindings) {
  std::vector<Rule> rules;
  std::vector<FieldViolation> faults;
  for (size_t i = 0; i < bindings.size(); ++i) {
    const Binding& binding = bindings[i];
    const std::string path = absl::StrCat("bindings[", i, "]");
    const absl::StatusOr<Role> role = ParseRole(binding.role);
    const absl::StatusOr<Scope> scope = Scope::Parse(binding.scope);
    if (!role.ok()) {
      faults.push_back({path + ".role", std::string(role.status().message())});
    }
    if (!scope.ok()) {
      faults.push_back(
          {path + ".scope", std::string(scope.status().message())});
    }
    if (!IsPattern(binding.principal)) {
      faults.push_back(
          {path + ".principal",
           absl::StrCat("'", absl::CHexEscape(binding.principal),
                        "' cannot have a role: write user/NAME, user/*, "
                        "service/NAME, service/*, local/HOST/UID or "
                        "local/HOST/*")});
    }
    if (!role.ok() || !scope.ok()) continue;
    if (*role == Role::kOwner && !scope->is_own()) {
      faults.push_back({path + ".scope",
                        "the role owner goes with scope own; for more, bind "
                        "operator"});
    }
    rules.push_back(Rule{*role, binding.principal, *scope});
  }
  if (faults.empty()) return Policy(std::move(rules));
  Error error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
              absl::StrCat("the bindings have ", faults.size(), " faults; ",
                           faults[0].field, ": ", faults[0].description));
  for (const FieldViolation& fault : faults) {
    error.Field(fault.field, fault.description);
  }
  return error.Build();
}

std::vector<Binding> Policy::BindingsOf(const Principal& principal) const {
  std::vector<Binding> bindings;
  for (const Rule& rule : rules_) {
    if (!Matches(rule.pattern, principal)) continue;
    bindings.push_back(Binding{std::string(ToString(rule.role)), rule.pattern,
                               rule.scope.ToString()});
  }
  return bindings;
}

std::vector<Scope> Policy::ScopesOf(const Principal& principal,
                                    absl::string_view permission) const {
  std::vector<Scope> scopes;
  for (const Rule& rule : rules_) {
    if (!Holds(rule.role, permission)) continue;
    if (NeedsScopeAll(permission) && !rule.scope.is_all()) continue;
    if (Matches(rule.pattern, principal)) scopes.push_back(rule.scope);
  }
  return scopes;
}

}  // namespace innkeeper
