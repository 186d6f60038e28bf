// What the commands that change a guest have in common.
#ifndef INNKEEPER_CLI_COMMAND_GUEST_OPERATION_H_
#define INNKEEPER_CLI_COMMAND_GUEST_OPERATION_H_

#include <functional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "cli/session.h"
#include "google/longrunning/operations.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

// Whether and how long to wait for an operation.
struct WaitFlags {
  bool wait = true;
  std::string timeout = "5m";
};
void AddWaitFlags(CLI::App* app, WaitFlags* flags);

// What makes a change safe to repeat.
struct ChangeFlags {
  std::string request_id;  // Empty: one is made.
  std::string etag;
};
void AddChangeFlags(CLI::App* app, ChangeFlags* flags);

// The request id to send. INVALID_ARGUMENT if the one given is no UUID.
absl::StatusOr<std::string> RequestIdOf(const ChangeFlags& flags);

// Waits for `operation` as `flags` say and shows what came out: the guest that
// it holds, or for one that holds none, `done` as a sentence.
absl::Status FinishOperation(Session& session,
                             google::longrunning::Operation operation,
                             const WaitFlags& flags, const std::string& done);

// Shows a guest after a change: "guests/web is RUNNING on hosts/h1".
absl::Status ShowChanged(Session& session, const v1::Guest& guest);

// Calls `change` with the full name of each of `names`, also after a failure.
// The last failure is returned, those before it are told at once.
absl::Status ForEachGuest(
    Session& session, const std::vector<std::string>& names,
    const std::function<absl::Status(const std::string& name)>& change);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_GUEST_OPERATION_H_
