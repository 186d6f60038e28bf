// Another identity, or more than the own one may.
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/malicious_qemu/attempt.h"

namespace {

bool BecomesRoot(const Target&) {
  return setuid(0) == 0 || setresuid(0, 0, 0) == 0 || setreuid(0, 0) == 0;
}
bool BecomesRootsGroup(const Target&) {
  return setgid(0) == 0 || setresgid(0, 0, 0) == 0 || setregid(0, 0) == 0;
}
bool BecomesOtherGuest(const Target& target) {
  return setresuid(target.other_uid, target.other_uid, target.other_uid) == 0;
}
bool JoinsGroups(const Target&) {
  const gid_t groups[] = {0, 6};
  return setgroups(2, groups) == 0;
}
bool OpensFilesAsRoot(const Target&) {
  setfsuid(0);
  errno = EPERM;
  // What it was, once it is asked to become nothing.
  return setfsuid(static_cast<uid_t>(-1)) == 0;
}
bool TakesCapabilities(const Target&) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  sets[0].effective = sets[0].permitted = 1U << CAP_SYS_CHROOT;
  return syscall(SYS_capset, &header, sets) == 0;
}
bool RaisesAmbientCapability(const Target&) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  syscall(SYS_capget, &header, sets);
  sets[0].inheritable |= 1U << CAP_NET_RAW;
  syscall(SYS_capset, &header, sets);
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0;
}
bool ClearsSecurebits(const Target&) {
  return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == 0;
}
bool KeepsCapabilities(const Target&) {
  return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0;
}
bool AllowsNewPrivileges(const Target&) {
  prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
  return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}
// A program that root has made set-user-id.
bool GainsByExec(const Target&) {
  struct statvfs usr;
  if (statvfs("/usr", &usr) != 0) return false;
  errno = EPERM;
  return (usr.f_flag & ST_NOSUID) == 0 ||
         prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}
bool RemovesFilter(const Target&) {
  return prctl(PR_SET_SECCOMP, 0, nullptr, 0, 0) == 0;
}

}  // namespace

const Attempt kPrivilegeAttempts[] = {
    {"privilege.root", &BecomesRoot},
    {"privilege.roots_group", &BecomesRootsGroup},
    {"privilege.other_guest", &BecomesOtherGuest},
    {"privilege.groups", &JoinsGroups},
    {"privilege.file_system_uid", &OpensFilesAsRoot},
    {"privilege.capabilities", &TakesCapabilities},
    {"privilege.ambient_capability", &RaisesAmbientCapability},
    {"privilege.securebits", &ClearsSecurebits},
    {"privilege.keep_capabilities", &KeepsCapabilities},
    {"privilege.new_privileges", &AllowsNewPrivileges},
    {"privilege.set_user_id_program", &GainsByExec},
    {"privilege.remove_filter", &RemovesFilter},
    {nullptr, nullptr}};
