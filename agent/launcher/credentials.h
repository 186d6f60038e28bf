// Giving up root for good.
#ifndef INNKEEPER_AGENT_LAUNCHER_CREDENTIALS_H_
#define INNKEEPER_AGENT_LAUNCHER_CREDENTIALS_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace innkeeper {

struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // Supplementary ones.
  // Capabilities that are kept, also across exec: bit N is capability N.
  uint64_t capabilities = 0;
  // False only where a security module would not let the label change at exec
  // then: QEMU's own filter sets it after that.
  bool no_new_privs = true;
  // Whether DenyNeedlessCalls() is called, too. Without no_new_privs that is
  // done with CAP_SYS_ADMIN, just before that is given up.
  bool filter_calls = false;
};

// Makes the calling process `credentials` and nothing more: ids set and read
// back, all five capability sets just the kept ones, securebits locked,
// no_new_privs set, system calls filtered if so asked. uid and gid 0 are
// refused. If it fails the process must exit: part of it may be done.
absl::Status DropTo(const Credentials& credentials);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_CREDENTIALS_H_
