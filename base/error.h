// Builds and reads absl::Status values that carry what AIP-193 wants an error
// to carry: a reason, metadata, and every violation at once.
//
// The parts travel as status payloads, so they survive every layer that hands
// a status up unchanged; rpc/status_map turns them into google.rpc details.
#ifndef INNKEEPER_BASE_ERROR_H_
#define INNKEEPER_BASE_ERROR_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// One fault in one field of a request (google.rpc.BadRequest).
struct FieldViolation {
  std::string field;  // A path in the request: "guest.spec.vcpu_count".
  std::string description;
};

// One fact about the world that stands in the way
// (google.rpc.PreconditionFailure).
struct PreconditionViolation {
  std::string type;     // A reason: "GUEST_NOT_RUNNING".
  std::string subject;  // What it is about: "guests/web".
  std::string description;
};

// What a status carries beside its code and message.
struct ErrorDetails {
  std::string reason;  // UPPER_SNAKE, from base/reason.h. Empty: none given.
  std::map<std::string, std::string> metadata;
  std::vector<FieldViolation> fields;
  std::vector<PreconditionViolation> preconditions;
  std::optional<absl::Duration> retry_after;
};

// Builds one error. Not thread-safe.
//
//   return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
//                absl::StrCat("guest '", id, "' does not exist"))
//       .With("guest", id);
class Error {
 public:
  // `code` is not OK; `reason` is a constant of base/reason.h.
  Error(absl::StatusCode code, absl::string_view reason,
        absl::string_view message);

  // Adds a fact. Everything variable in the message belongs here, too.
  Error& With(absl::string_view key, absl::string_view value);
  Error& Field(absl::string_view field, absl::string_view description);
  Error& Precondition(absl::string_view type, absl::string_view subject,
                      absl::string_view description);
  // When the same call may succeed (google.rpc.RetryInfo).
  Error& RetryAfter(absl::Duration delay);

  // NOLINTNEXTLINE(google-explicit-constructor): made to be returned.
  operator absl::Status() const { return status_; }
  absl::Status Build() const { return status_; }

 private:
  absl::Status status_;
  int fields_ = 0;
  int preconditions_ = 0;
};

// The parts of `status`; all empty for an OK or foreign status.
ErrorDetails DetailsOf(const absl::Status& status);

// Builds a status that has the parts of `details`; the inverse of DetailsOf.
absl::Status MakeStatus(absl::StatusCode code, absl::string_view message,
                        const ErrorDetails& details);

// `status` with "`context`: " before its message; payloads are kept. OK stays
// OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

// UNAVAILABLE, INTERNAL or what fits errno `error`, with the text of the errno
// after `message`. Reason SYSTEM_ERROR.
absl::Status ErrnoError(int error, absl::string_view message);

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_ERROR_H_
