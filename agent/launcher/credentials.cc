#include "agent/launcher/credentials.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

// Root gets no capabilities at exec, capabilities do not outlive setresuid(2),
// none become ambient: and none of that can be changed back.
constexpr unsigned long kSecurebits =
    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
    SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

absl::Status EmptyBoundingSet() {
  for (int capability = 0;; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    // Past the last one that this kernel knows.
    if (errno == EINVAL && capability > 0) return absl::OkStatus();
    return ErrnoError(errno, absl::StrCat("drop capability ", capability));
  }
}

absl::Status EmptyCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capset, &header, sets) != 0) {
    return ErrnoError(errno, "capset");
  }
  return absl::OkStatus();
}

// Whoever inherits a session keyring has the rights of its possessor on every
// key in it, whatever its uid: root's keys must not come along.
absl::Status LeaveSessionKeyring() {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) {
    return absl::OkStatus();
  }
  // No keyrings in this kernel, or a filter that this process can never leave
  // keeps it from all of them.
  if (errno == ENOSYS || errno == EPERM) return absl::OkStatus();
  return ErrnoError(errno, "leave the session keyring");
}

absl::Status Unlike(absl::string_view what) {
  return ErrnoError(EPERM, absl::StrCat("verify ", what));
}

// A call that says it worked and did not would otherwise go unnoticed.
absl::Status Verify(const Credentials& wanted) {
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
      getresgid(&gids[0], &gids[1], &gids[2]) != 0) {
    return Unlike("ids");
  }
  for (int i = 0; i < 3; ++i) {
    if (uids[i] != wanted.uid) return Unlike("uid");
    if (gids[i] != wanted.gid) return Unlike("gid");
  }
  if (getgroups(0, nullptr) != static_cast<int>(wanted.groups.size())) {
    return Unlike("groups");
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return Unlike("capabilities");
  for (const __user_cap_data_struct& set : sets) {
    if (set.effective != 0 || set.permitted != 0 || set.inheritable != 0) {
      return Unlike("capabilities");
    }
  }
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) != 0) {
      return Unlike("bounding and ambient capabilities");
    }
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
    return Unlike("no_new_privs");
  }
  // The way back must be closed.
  if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0) {
    return Unlike("that root is out of reach");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DropTo(const Credentials& credentials) {
  if (credentials.uid == 0 || credentials.gid == 0) {
    return ErrnoError(EINVAL, "drop privileges to root");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoError(errno, "set no_new_privs");
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return ErrnoError(errno, "clear ambient capabilities");
  }
  RETURN_IF_ERROR(EmptyBoundingSet());
  if (prctl(PR_SET_SECUREBITS, kSecurebits, 0, 0, 0) != 0) {
    return ErrnoError(errno, "set securebits");
  }
  if (setgroups(credentials.groups.size(), credentials.groups.data()) != 0) {
    return ErrnoError(errno, "setgroups");
  }
  if (setresgid(credentials.gid, credentials.gid, credentials.gid) != 0) {
    return ErrnoError(errno, absl::StrCat("setresgid ", credentials.gid));
  }
  if (setresuid(credentials.uid, credentials.uid, credentials.uid) != 0) {
    return ErrnoError(errno, absl::StrCat("setresuid ", credentials.uid));
  }
  // As the new user, who then pays for what is put into it.
  RETURN_IF_ERROR(LeaveSessionKeyring());
  RETURN_IF_ERROR(EmptyCapabilities());
  return Verify(credentials);
}

}  // namespace innkeeper
