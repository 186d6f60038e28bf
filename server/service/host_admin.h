// Brings hosts into the cluster and out of it.
#ifndef INNKEEPER_SERVER_SERVICE_HOST_ADMIN_H_
#define INNKEEPER_SERVER_SERVICE_HOST_ADMIN_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "auth/identity.h"
#include "base/clock.h"
#include "innkeeper/v1/hosts.pb.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/inventory.h"
#include "server/inventory/server_log.h"
#include "server/service/guest_claims.h"

namespace innkeeper {

// Thread-safe. Every method blocks on the disk. Callers were authorised before.
// The pointers must outlive it.
class HostAdmin {
 public:
  struct Parts {
    HostDirectory* directory;
    Inventory* inventory;
    ServerLog* log;
    GuestClaims* claims;
    const Clock* clock;
    std::string pki_directory;           // Empty: nobody can enrol.
    std::vector<std::string> addresses;  // Where tokens point to.
    std::string deny_list_file;
  };

  explicit HostAdmin(Parts parts) : parts_(std::move(parts)) {}

  // INVALID_ARGUMENT for a host id or a time that is none; ALREADY_EXISTS
  // (HOST_EXISTS); FAILED_PRECONDITION (CONFIG_INVALID) without an authority.
  absl::StatusOr<v1::CreateEnrolmentTokenResponse> CreateToken(
      const v1::CreateEnrolmentTokenRequest& request);

  // `caller` bears a token's certificate. The same call again, with the token,
  // the address and the key that were taken, has the same answer. Errors of
  // HostDirectory::Enrol; INVALID_ARGUMENT for a request that cannot be signed
  // or an address that cannot be dialled.
  absl::StatusOr<v1::EnrolHostResponse> Enrol(
      const Identity& caller, const v1::EnrolHostRequest& request);

  // Host names are "hosts/h1".
  absl::StatusOr<v1::Host> SetCordon(const Identity& caller,
                                     absl::string_view name, bool cordoned);
  // FAILED_PRECONDITION (HOST_NOT_EMPTY) with guests there and without `force`.
  absl::Status Remove(const Identity& caller, absl::string_view name,
                      bool force);

 private:
  absl::Status Deny(const std::string& fingerprint, const std::string& host)
      ABSL_LOCKS_EXCLUDED(deny_mutex_);

  const Parts parts_;
  // Held across the change of the deny list, by removals of hosts only.
  absl::Mutex deny_mutex_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_HOST_ADMIN_H_
