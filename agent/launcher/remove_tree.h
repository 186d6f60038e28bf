// Removing a directory that others could write.
#ifndef INNKEEPER_AGENT_LAUNCHER_REMOVE_TREE_H_
#define INNKEEPER_AGENT_LAUNCHER_REMOVE_TREE_H_

#include <string>

#include "absl/status/status.h"

namespace innkeeper {

// Removes the directory `path` and everything in it, however deep, without
// following a link. OK if it is absent. No process that could write it may
// live, and nobody but root may change what leads to it.
absl::Status RemoveTree(const std::string& path);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_REMOVE_TREE_H_
