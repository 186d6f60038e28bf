// Which hosts the cluster has, and which are invited.
#ifndef INNKEEPER_SERVER_HOSTS_HOST_DIRECTORY_H_
#define INNKEEPER_SERVER_HOSTS_HOST_DIRECTORY_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/hosts/enrolled_host.h"
#include "server/store/store.h"

namespace innkeeper {

// Thread-safe. Everything but Find and All blocks on the store, and may fail as
// Store::Commit does. Does not own the store.
class HostDirectory {
 public:
  // Reads every host.
  static absl::StatusOr<std::unique_ptr<HostDirectory>> Create(
      Store* store, const Clock* clock);

  // From memory.
  std::optional<EnrolledHost> Find(absl::string_view host) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<EnrolledHost> All() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Notes that the token `id` lets `host` in until `expire_time`. Invitations
  // that have expired are forgotten here.
  absl::Status Invite(absl::string_view id, absl::string_view host,
                      absl::Time expire_time);

  // Whether Enrol would take the token `id` for `host` now.
  absl::Status CheckInvitation(absl::string_view id, absl::string_view host);

  // Uses the token up and adds the host, in one step; of two calls with one
  // token one fails. Fills in number and time.
  // PERMISSION_DENIED (ENROLMENT_TOKEN_REFUSED): the token is unknown or used,
  // has expired, or was made for another host. ALREADY_EXISTS (HOST_EXISTS).
  absl::StatusOr<EnrolledHost> Enrol(absl::string_view id, EnrolledHost host);

  // Forgets the host. NOT_FOUND (HOST_NOT_FOUND).
  absl::StatusOr<EnrolledHost> Remove(absl::string_view host);

  // Whether the host takes new guests; OK if that is so already. NOT_FOUND
  // (HOST_NOT_FOUND).
  absl::StatusOr<EnrolledHost> SetCordon(absl::string_view host, bool cordoned);

 private:
  HostDirectory(Store* store, const Clock* clock)
      : store_(store), clock_(clock) {}

  absl::Status Load() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status ForgetExpired();
  // The revision of a good invitation.
  absl::StatusOr<int64_t> FindInvitation(absl::string_view id,
                                         absl::string_view host);

  Store* const store_;
  const Clock* const clock_;
  // A leaf lock.
  mutable absl::Mutex mutex_;
  std::map<std::string, EnrolledHost, std::less<>> hosts_
      ABSL_GUARDED_BY(mutex_);
};

// NOT_FOUND (HOST_NOT_FOUND).
absl::Status HostNotFoundError(absl::string_view host);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_HOST_DIRECTORY_H_
