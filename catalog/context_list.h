// Pages of contexts, for agents and the server.
#ifndef INNKEEPER_CATALOG_CONTEXT_LIST_H_
#define INNKEEPER_CATALOG_CONTEXT_LIST_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "auth/permit.h"
#include "innkeeper/v1/contexts.pb.h"
#include "rpc/page_token.h"

namespace innkeeper {

// The page that `request` asks for of `contexts`, which are all that the caller
// may see. By name, then by host. INVALID_ARGUMENT (INVALID_PAGE_TOKEN).
absl::StatusOr<v1::ListContextsResponse> PageOfContexts(
    const PageTokenSealer& sealer, const Permit& permit,
    const std::string& method, const v1::ListContextsRequest& request,
    std::vector<v1::Context> contexts);

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_CONTEXT_LIST_H_
