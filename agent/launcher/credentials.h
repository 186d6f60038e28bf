// Giving up root for good.
#ifndef INNKEEPER_AGENT_LAUNCHER_CREDENTIALS_H_
#define INNKEEPER_AGENT_LAUNCHER_CREDENTIALS_H_

#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"

namespace innkeeper {

struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // Supplementary ones.
};

// Makes the calling process `credentials` and nothing more: ids set and read
// back, all five capability sets empty, securebits locked, no_new_privs set.
// uid and gid 0 are refused. If it fails the process must exit: part of it may
// be done.
absl::Status DropTo(const Credentials& credentials);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CREDENTIALS_H_
