// User namespaces of guests.
#ifndef INNKEEPER_AGENT_LAUNCHER_USER_NAMESPACE_H_
#define INNKEEPER_AGENT_LAUNCHER_USER_NAMESPACE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/launcher/credentials.h"
#include "base/unique_fd.h"

namespace innkeeper {

// A user namespace in which the ids of `credentials` are, by the same numbers,
// and no other: neither root nor another guest has a name in it. It exists by
// its descriptor only. For a root process with one thread.
absl::StatusOr<UniqueFd> MakeUserNamespace(const Credentials& credentials);

// Moves the calling process, which has one thread, into `user_namespace`. It
// then has every capability there, which it is to drop, and none of the host's.
absl::Status EnterUserNamespace(int user_namespace);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_USER_NAMESPACE_H_
