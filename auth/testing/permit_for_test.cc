#include "auth/testing/permit_for_test.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "auth/authorizer.h"
#include "auth/permit.h"
#include "auth/policy.h"
#include "auth/principal.h"

namespace innkeeper {
namespace {

[[noreturn]] void Die(const absl::Status& status) {
  fprintf(stderr, "PermitForTest: %s\n", status.ToString().c_str());
  abort();
}

}  // namespace

Permit PermitForTest(absl::string_view caller, absl::string_view permission,
                     absl::string_view resource, absl::string_view scope,
                     std::optional<Principal> delegate) {
  const absl::StatusOr<Policy> policy = Policy::Create(
      {Binding{"admin", std::string(caller), std::string(scope)}});
  if (!policy.ok()) Die(policy.status());
  const absl::StatusOr<Principal> principal = Principal::Parse(caller);
  if (!principal.ok()) Die(principal.status());
  // Restored, because that looks no resource up.
  absl::StatusOr<Permit> permit = Authorizer(*policy).Restore(
      *principal, std::move(delegate), permission, resource);
  if (!permit.ok()) Die(permit.status());
  return *std::move(permit);
}

}  // namespace innkeeper
