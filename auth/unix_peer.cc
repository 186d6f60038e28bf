#include "auth/unix_peer.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/identity.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {

absl::StatusOr<LocalUsers> ParseLocalUsers(
    const std::map<uint32_t, std::string>& entries) {
  LocalUsers users;
  Error error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
              "local_users maps a uid to user/NAME; see the fields");
  bool faulty = false;
  for (const auto& [uid, name] : entries) {
    const absl::StatusOr<Principal> principal = Principal::Parse(name);
    if (principal.ok() && principal->kind() == PrincipalKind::kUser) {
      users.emplace(uid, *principal);
      continue;
    }
    faulty = true;
    error.Field(
        absl::StrCat("local_users[", uid, "]"),
        absl::StrCat("'", absl::CHexEscape(name), "' is not user/NAME"));
  }
  if (faulty) return error.Build();
  return users;
}

absl::StatusOr<Identity> UnixPeerIdentity(int socket, absl::string_view host,
                                          const LocalUsers& users) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  // On a socket that is not unix, or not connected, the kernel answers with
  // nobody's uid; it must not pass for an account.
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 ||
      credentials.uid == static_cast<uid_t>(-1)) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kUnauthenticated,
                 "the peer is not known: this is no connected unix socket");
  }
  return IdentityOfUid(credentials.uid, host, users);
}

absl::StatusOr<Identity> IdentityOfUid(uint32_t uid, absl::string_view host,
                                       const LocalUsers& users) {
  ASSIGN_OR_RETURN(const Principal local, Principal::Local(host, uid));
  const auto named = users.find(uid);
  return Identity{named == users.end() ? local : named->second, uid == 0, "",
                  absl::InfiniteFuture(), "unix"};
}

}  // namespace innkeeper
