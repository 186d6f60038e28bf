// landlock(7): a process gives up file system rights of its own accord.
#ifndef INNKEEPER_AGENT_LAUNCHER_LANDLOCK_H_
#define INNKEEPER_AGENT_LAUNCHER_LANDLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace innkeeper {

// The version that the running kernel offers; 0 if it has none or it is off.
uint32_t LandlockAbi();

// From here on the calling process, which has one thread, and what it executes
// can open nothing but files below its root for reading and executing, and
// `writable`, devices or files, also for writing; it can make, remove, rename
// and link nothing. With version 6 it can signal only processes that are as
// confined, and connect to no other's abstract socket. What is open stays open;
// memory can be opened again by its descriptor (/proc/self/fd), and so can, for
// reading, the files of `readable`, wherever they are.
//
// `abi` is LandlockAbi() and not 0. Needs no_new_privs or CAP_SYS_ADMIN.
absl::Status ConfineFiles(uint32_t abi,
                          const std::vector<std::string>& writable,
                          const std::vector<int>& readable);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_LANDLOCK_H_
