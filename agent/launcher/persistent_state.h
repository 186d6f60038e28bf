// What guests keep while they have no process: UEFI variables.
#ifndef INNKEEPER_AGENT_LAUNCHER_PERSISTENT_STATE_H_
#define INNKEEPER_AGENT_LAUNCHER_PERSISTENT_STATE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace innkeeper {

// No variable store of firmware is larger.
inline constexpr int64_t kMaxUefiVariablesBytes = int64_t{4} << 20;

// A directory for each guest below one directory, root's alone, named by the
// guest's uid: a guest of the same name that is made later has another. It
// outlives launcher, host and database; only Remove() ends it. Waits for the
// disk where something is made. Not thread-safe.
//
// Every `uid` is a UUID in lower case.
class PersistentState {
 public:
  explicit PersistentState(std::string directory)
      : directory_(std::move(directory)) {}

  bool Has(absl::string_view uid) const;
  // Makes the guest's directory if there is none.
  absl::Status Make(absl::string_view uid);
  // The guest's UEFI variables, open for reading and writing: at first a copy
  // of the file `begin_as`, made in one step. A new open file description each
  // time, for the locks of one QEMU. Make() has been called.
  absl::StatusOr<UniqueFd> OpenVariables(absl::string_view uid,
                                         const std::string& begin_as);
  // OK if there is nothing.
  absl::Status Remove(absl::string_view uid);

 private:
  std::string PathOf(absl::string_view uid) const;

  const std::string directory_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_PERSISTENT_STATE_H_
