// Guests for people.
#ifndef INNKEEPER_CLI_OUTPUT_GUEST_VIEW_H_
#define INNKEEPER_CLI_OUTPUT_GUEST_VIEW_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/output/table.h"
#include "google/protobuf/map.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

// An empty table of guests.
Table GuestTable(bool wide, bool coloured);

// A row of it. `now` turns times into ages.
std::vector<Cell> GuestRow(const v1::Guest& guest, bool wide, absl::Time now);

// "RUNNING", and what makes it doubtful: "RUNNING (stale 3m)".
Cell GuestStateCell(const v1::Guest& guest, absl::Time now);

// Everything about one guest, a "Key: value" a line, neutralised.
std::string GuestDetails(const v1::Guest& guest, absl::Time now, bool coloured);

// "a=1,b=2", sorted.
std::string LabelsText(
    const google::protobuf::Map<std::string, std::string>& labels);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_GUEST_VIEW_H_
