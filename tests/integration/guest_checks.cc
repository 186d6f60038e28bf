#include "tests/integration/guest_checks.h"

#include <signal.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "gtest/gtest.h"

namespace innkeeper {

bool Lives(int64_t pid) { return kill(static_cast<pid_t>(pid), 0) == 0; }

bool NothingIsUnfinished(const Caller& caller) {
  const auto listed = caller.Call(
      &google::longrunning::Operations::Stub::ListOperations,
      caller.operations(), google::longrunning::ListOperationsRequest());
  EXPECT_TRUE(listed.ok()) << listed.status();
  if (!listed.ok()) return false;
  for (const google::longrunning::Operation& operation : listed->operations()) {
    if (!operation.done()) return false;
  }
  return true;
}

void CheckWholeOrGone(const Lab& lab, const Caller& caller) {
  std::string seen;
  const bool settled = Eventually([&] {
    const absl::StatusOr<std::vector<v1::Guest>> guests = caller.List();
    if (!guests.ok() || guests->size() > 1) {
      seen = guests.status().ToString();
      return false;
    }
    if (guests->empty()) return lab.Leftovers().empty();
    const v1::Guest& guest = guests->front();
    seen = guest.ShortDebugString();
    if (guest.has_process()) {
      return guest.state() == v1::Guest::PAUSED && Lives(guest.process().pid());
    }
    return lab.Leftovers().empty() && (guest.state() == v1::Guest::STOPPED ||
                                       guest.state() == v1::Guest::FAILED);
  });
  EXPECT_TRUE(settled) << seen;
}

}  // namespace innkeeper
