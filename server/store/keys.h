// Where the server keeps what. Ids may hold any bytes: whatever is not
// [A-Za-z0-9._-] is escaped as %XX, so that no id reaches beyond its place, and
// an id is read back from its key.
#ifndef INNKEEPER_SERVER_STORE_KEYS_H_
#define INNKEEPER_SERVER_STORE_KEYS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace innkeeper {
namespace keys {

// Prefixes, to list and to watch.
inline constexpr absl::string_view kHosts = "hosts/";
inline constexpr absl::string_view kEnrolments = "enrolments/";
inline constexpr absl::string_view kGuests = "guests/";
inline constexpr absl::string_view kOperations = "operations/";
inline constexpr absl::string_view kRequests = "requests/";
inline constexpr absl::string_view kReservations = "reservations/";
inline constexpr absl::string_view kCordons = "cordons/";

// An enrolled host: address, certificate, enrolment number.
std::string Host(absl::string_view host);
// A one-time enrolment token that has been issued.
std::string Enrolment(absl::string_view token);
// The desired state of a guest: uid, owner, host, spec. Also what keeps a
// guest's id unique in the cluster.
std::string Guest(absl::string_view guest);
// An operation, by its UUID.
std::string Operation(absl::string_view uuid);
// What was answered to (caller, method, request_id). An id of any length:
// parts too long for a key are replaced by their SHA-256.
std::string Request(absl::string_view caller, absl::string_view method,
                    absl::string_view request_id);
// What is reserved of one machine's capacity.
std::string Reservation(absl::string_view machine);
// Exists while a host takes no new guests.
std::string Cordon(absl::string_view host);

// The id in `key`, if `key` is `prefix` and one id after it.
std::optional<std::string> IdIn(absl::string_view prefix,
                                absl::string_view key);

// The escaped form of one id.
std::string Escape(absl::string_view id);

}  // namespace keys
}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_KEYS_H_
