// What must hold of guests after anything has died.
#ifndef INNKEEPER_TESTS_INTEGRATION_GUEST_CHECKS_H_
#define INNKEEPER_TESTS_INTEGRATION_GUEST_CHECKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "innkeeper/v1/guests.pb.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {

// Whether process `pid` is there, whoever is asked.
bool Lives(int64_t pid);

// Every operation that `caller`'s agent or server has on record has ended.
// Fails the test if it cannot be asked.
bool NothingIsUnfinished(const Caller& caller);

// Fails the test unless the one guest that was to be launched paused is listed
// once with a process that lives; or without one and nothing of it is there; or
// not at all. Soon: a list may be a moment older than the end of an operation.
void CheckWholeOrGone(const Lab& lab, const Caller& caller);

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_GUEST_CHECKS_H_
