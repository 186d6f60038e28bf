// Hosts for people.
#ifndef INNKEEPER_CLI_OUTPUT_HOST_VIEW_H_
#define INNKEEPER_CLI_OUTPUT_HOST_VIEW_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/output/table.h"
#include "innkeeper/v1/hosts.pb.h"

namespace innkeeper {

// An empty table of hosts.
Table HostTable(bool wide, bool coloured);

// A row of it. `now` turns times into ages.
std::vector<Cell> HostRow(const v1::Host& host, bool wide, absl::Time now);

// Everything about one host, a "Key: value" a line, neutralised.
std::string HostDetails(const v1::Host& host, absl::Time now, bool coloured);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_HOST_VIEW_H_
