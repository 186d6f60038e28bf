// What confines a guest, for people.
#ifndef INNKEEPER_CLI_OUTPUT_SECURITY_VIEW_H_
#define INNKEEPER_CLI_OUTPUT_SECURITY_VIEW_H_

#include <string>

#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

// How many of the checks of `security` have `verdict`.
int CountChecks(const v1::GuestSecurity& security,
                v1::GuestSecurity::Verdict verdict);

// "as asked", or "2 differ, 1 unknown".
std::string SecuritySummary(const v1::GuestSecurity& security);

// The guest, its process and a table of all checks, neutralised. What differs
// comes first, then what is unknown, each with a mark before it; in `wide`,
// each check says also what it looks at and where.
std::string SecurityText(const v1::GuestSecurity& security, bool wide,
                         bool coloured);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_SECURITY_VIEW_H_
