#include "agent/launcher/credentials.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/syscall_filter.h"
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

bool IsKept(int capability, uint64_t kept) {
  return capability < 64 && ((kept >> capability) & 1) != 0;
}

absl::Status LimitBoundingSet(uint64_t kept) {
  for (int capability = 0;; ++capability) {
    if (IsKept(capability, kept)) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    // Past the last one that this kernel knows.
    if (errno == EINVAL && capability > 0) return absl::OkStatus();
    return ErrnoError(errno, absl::StrCat("drop capability ", capability));
  }
}

absl::Status SetCapabilities(uint64_t own, uint64_t inheritable) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
    sets[i].effective = sets[i].permitted =
        static_cast<uint32_t>(own >> (32 * i));
    sets[i].inheritable = static_cast<uint32_t>(inheritable >> (32 * i));
  }
  if (syscall(SYS_capset, &header, sets) != 0) {
    return ErrnoError(errno, "capset");
  }
  return absl::OkStatus();
}

// After the ids were changed with PR_SET_KEEPCAPS: an ambient set is the one
// that a program without capabilities of its own starts with.
// Those of `for_now` are still there afterwards.
absl::Status KeepCapabilities(uint64_t kept, uint64_t for_now) {
  RETURN_IF_ERROR(SetCapabilities(kept | for_now, kept));
  for (int capability = 0; capability < 64; ++capability) {
    if (!IsKept(capability, kept)) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
      return ErrnoError(errno, absl::StrCat("keep capability ", capability));
    }
  }
  return absl::OkStatus();
}

absl::Status LockSecurebits() {
  if (prctl(PR_SET_SECUREBITS, kSecurebits, 0, 0, 0) != 0) {
    return ErrnoError(errno, "set securebits");
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
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
    const auto kept = static_cast<uint32_t>(wanted.capabilities >> (32 * i));
    if (sets[i].effective != kept || sets[i].permitted != kept ||
        sets[i].inheritable != kept) {
      return Unlike("capabilities");
    }
  }
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    const int kept = IsKept(capability, wanted.capabilities) ? 1 : 0;
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != kept ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) !=
            kept) {
      return Unlike("bounding and ambient capabilities");
    }
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != (wanted.no_new_privs ? 1 : 0)) {
    return Unlike("no_new_privs");
  }
  // The way back must be closed, whatever was kept.
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
  const uint64_t kept = credentials.capabilities;
  if (credentials.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoError(errno, "set no_new_privs");
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return ErrnoError(errno, "clear ambient capabilities");
  }
  RETURN_IF_ERROR(LimitBoundingSet(kept));
  // A filter is taken only from a process that cannot gain privileges any more
  // or has this one.
  const uint64_t to_filter =
      credentials.filter_calls && !credentials.no_new_privs
          ? uint64_t{1} << CAP_SYS_ADMIN
          : 0;
  const bool keeps = kept != 0 || to_filter != 0;
  if (!keeps) {
    RETURN_IF_ERROR(LockSecurebits());
  } else if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
    return ErrnoError(errno, "keep capabilities");
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
  // As the new user, who then pays for what is put into it; before the filter,
  // which lets nobody near keys.
  RETURN_IF_ERROR(LeaveSessionKeyring());
  if (keeps) {
    // Securebits cannot be set without this one.
    constexpr uint64_t kSetPcap = uint64_t{1} << CAP_SETPCAP;
    RETURN_IF_ERROR(KeepCapabilities(kept, kSetPcap | to_filter));
    RETURN_IF_ERROR(LockSecurebits());
  }
  if (credentials.filter_calls) RETURN_IF_ERROR(DenyNeedlessCalls());
  RETURN_IF_ERROR(SetCapabilities(kept, kept));
  return Verify(credentials);
}

}  // namespace innkeeper
