// Who has which role where: the bindings of a configuration, checked whole.
#ifndef INNKEEPER_AUTH_POLICY_H_
#define INNKEEPER_AUTH_POLICY_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/principal.h"
#include "auth/role.h"
#include "auth/scope.h"

namespace innkeeper {

// One line of a configuration.
struct Binding {
  std::string role;       // "admin", "operator", "owner" or "viewer".
  std::string principal;  // "user/alice", "user/*", "local/h1/1000", ...
  std::string scope;      // "all", "own", "host:H", "label:K=V", "guest:G".
};

// A value; immutable. Default deny: without bindings nobody has a role.
class Policy {
 public:
  // INVALID_ARGUMENT (CONFIG_INVALID) with a field violation for each fault of
  // each binding. Roles go to users, services and local accounts; a pattern is
  // a principal, or KIND/* or local/HOST/*; owner goes with scope own only.
  static absl::StatusOr<Policy> Create(const std::vector<Binding>& bindings);

  // Those that apply to `principal`, in the order of the configuration.
  std::vector<Binding> BindingsOf(const Principal& principal) const;

  // The scopes in which some binding gives `permission` to `principal`. Empty:
  // it has it nowhere.
  std::vector<Scope> ScopesOf(const Principal& principal,
                              absl::string_view permission) const;

 private:
  struct Rule {
    Role role;
    std::string pattern;
    Scope scope;
  };

  explicit Policy(std::vector<Rule> rules) : rules_(std::move(rules)) {}

  std::vector<Rule> rules_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_POLICY_H_
