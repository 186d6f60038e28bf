// Files that need to outlive the launcher, but not the host.
#ifndef INNKEEPER_AGENT_LAUNCHER_SMALL_FILE_H_
#define INNKEEPER_AGENT_LAUNCHER_SMALL_FILE_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// Makes `path` hold `data` in one step: a reader sees the old or the new
// content, also when the writer is killed. Unlike WriteFileAtomically() it does
// not wait for the disk: what it is used for means nothing after a restart of
// the host. The temporary file is `path` with ".new".
absl::Status ReplaceFile(const std::string& path, absl::string_view data,
                         mode_t mode);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_SMALL_FILE_H_
