// Permits for unit tests of what takes them. Testonly.
#ifndef INNKEEPER_AUTH_TESTING_PERMIT_FOR_TEST_H_
#define INNKEEPER_AUTH_TESTING_PERMIT_FOR_TEST_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "auth/permit.h"
#include "auth/principal.h"

namespace innkeeper {

// A permit of `caller` ("user/alice", "service/x", "local/h/0") for
// `permission` on `resource`, which an Authorizer made by a binding of role
// admin over `scope`. Aborts if it would not: a test asked for nonsense.
Permit PermitForTest(absl::string_view caller, absl::string_view permission,
                     absl::string_view resource,
                     absl::string_view scope = "all",
                     std::optional<Principal> delegate = std::nullopt);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_TESTING_PERMIT_FOR_TEST_H_
