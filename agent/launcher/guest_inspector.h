// Reads from the kernel what a guest's processes are confined by.
#ifndef INNKEEPER_AGENT_LAUNCHER_GUEST_INSPECTOR_H_
#define INNKEEPER_AGENT_LAUNCHER_GUEST_INSPECTOR_H_

#include "absl/status/statusor.h"
#include "agent/launch/guest_facts.h"
#include "agent/launcher/journal_entry.h"

namespace innkeeper {

// Facts of the guest of `entry`, which has been launched. All are of that very
// process: they are read beneath one descriptor of its directory in /proc,
// which another process with its pid does not get. What cannot be read is a
// fact with an error. Takes about a millisecond, and never longer than
// some 200 ms, whatever the guest does: what lies in its own memory is read by
// a process of its own, which is given up then.
//
// FAILED_PRECONDITION (GUEST_NOT_RUNNING) if the process has ended.
//
//   status stat limits cgroup mountinfo oom_score_adj personality uid_map
//                 the files of these names in /proc/PID, as they are
//   attr          /proc/PID/attr/current
//   attr.apparmor /proc/PID/attr/apparmor/current
//   exe root cwd  what these links say
//   ns            a line "KIND:[INODE]" for each link in /proc/PID/ns
//   fds           a line "KIND COUNT DISTINCT" for each kind of descriptor:
//                 how many there are and of how many different things
//   sockets       a line "PROTOCOL COUNT" each of tcp, tcp6 and unix sockets
//                 that listen, and of all udp, udp6, raw, raw6 and packet
//                 sockets in its network namespace; with a "+" if there are
//                 more
//   environ       the names of its first variables, one a line
//   keeper.status as "status", of the keeper
//   host.ns host.status host.core_pattern host.lsm
//                 of the launcher and of the kernel
//   cgroup.FILE   the limits of its control groups, those that there are
absl::StatusOr<GuestFacts> InspectGuest(const JournalEntry& entry);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_GUEST_INSPECTOR_H_
