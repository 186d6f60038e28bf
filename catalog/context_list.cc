#include "catalog/context_list.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr int kMaxPageSize = 1000;

// What contexts are sorted by. No name has a blank.
std::string KeyOf(const v1::Context& context) {
  return absl::StrCat(context.name(), " ", context.host());
}

}  // namespace

absl::StatusOr<v1::ListContextsResponse> PageOfContexts(
    const PageTokenSealer& sealer, const Permit& permit,
    const std::string& method, const v1::ListContextsRequest& request,
    std::vector<v1::Context> contexts) {
  const std::string binding =
      PageTokenBinding(method, permit.caller().principal.ToString(), request);
  std::string after;
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(after, sealer.Open(request.page_token(), binding));
  }
  std::sort(contexts.begin(), contexts.end(),
            [](const v1::Context& a, const v1::Context& b) {
              return KeyOf(a) < KeyOf(b);
            });
  const int limit = request.page_size() <= 0
                        ? kMaxPageSize
                        : std::min(request.page_size(), kMaxPageSize);
  v1::ListContextsResponse page;
  for (v1::Context& context : contexts) {
    if (KeyOf(context) <= after) continue;
    if (page.contexts_size() == limit) {
      page.set_next_page_token(
          sealer.Seal(KeyOf(page.contexts(page.contexts_size() - 1)), binding));
      break;
    }
    *page.add_contexts() = std::move(context);
  }
  return page;
}

}  // namespace innkeeper
