// Contexts for people.
#ifndef INNKEEPER_CLI_OUTPUT_CONTEXT_VIEW_H_
#define INNKEEPER_CLI_OUTPUT_CONTEXT_VIEW_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "cli/output/table.h"
#include "innkeeper/v1/contexts.pb.h"

namespace innkeeper {

// What `spec` says, each part with its value: {"nice", "5"}. In the order of
// ContextSpec's fields.
std::vector<std::pair<std::string, std::string>> ContextParts(
    const v1::ContextSpec& spec);
// The same in one line: "nice=5 groups=audio,video"; empty if it says nothing.
std::string ContextText(const v1::ContextSpec& spec);

// An empty table; a row for one context; and everything about one.
Table ContextTable(bool wide, bool coloured);
std::vector<Cell> ContextRow(const v1::Context& context, bool wide,
                             absl::Time now);
std::string ContextDetails(const v1::Context& context, bool coloured);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_CONTEXT_VIEW_H_
