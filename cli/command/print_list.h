// A list in the form that was asked for.
#ifndef INNKEEPER_CLI_COMMAND_PRINT_LIST_H_
#define INNKEEPER_CLI_COMMAND_PRINT_LIST_H_

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "cli/output/format.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "google/protobuf/message.h"
#include "google/protobuf/repeated_field.h"

namespace innkeeper {

// Prints `items`, which have names: `whole` as JSON, or each item as a line of
// JSON, its name, or the row that `row` makes of it, beneath the header of
// `table`.
template <typename Item, typename MakeRow>
absl::Status PrintList(Session& session, const google::protobuf::Message& whole,
                       const google::protobuf::RepeatedPtrField<Item>& items,
                       Table table, const MakeRow& row) {
  const OutputFormat format = session.format();
  if (format == OutputFormat::kJson) return session.PrintJson(whole);
  for (const Item& item : items) {
    if (format == OutputFormat::kJsonl) {
      RETURN_IF_ERROR(session.PrintJson(item));
    } else if (format == OutputFormat::kName) {
      session.PrintLine(item.name());
    } else {
      table.Add(row(item));
    }
  }
  if (format == OutputFormat::kTable || format == OutputFormat::kWide) {
    session.Print(table.Render());
  }
  return absl::OkStatus();
}

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_PRINT_LIST_H_
