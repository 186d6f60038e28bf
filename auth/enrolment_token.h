// The one-time token that lets a new host in.
#ifndef INNKEEPER_AUTH_ENROLMENT_TOKEN_H_
#define INNKEEPER_AUTH_ENROLMENT_TOKEN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace innkeeper {

// A value. A secret: never log it.
struct EnrolmentToken {
  std::vector<std::string> addresses;  // 1 to 8 of "HOST:PORT".
  std::string trust_domain;
  std::string ca_pem;     // The root.
  std::string chain_pem;  // Of enrol/ID: leaf and intermediate.
  std::string key_pem;
};

// "inn1." and base64url without padding, of the content and a checksum; one
// line. INVALID_ARGUMENT if `token`
// is not one that ParseEnrolmentToken would take.
absl::StatusOr<std::string> FormatEnrolmentToken(const EnrolmentToken& token);

// The inverse. Input: untrusted. INVALID_ARGUMENT (ENROLMENT_TOKEN_REFUSED),
// without a word of what the token holds, unless it is canonical, at most
// 16 KiB, its certificate is that of an enrol/ID that leads to its root, and
// its key goes with it. PERMISSION_DENIED if that is so, but not at `now`.
absl::StatusOr<EnrolmentToken> ParseEnrolmentToken(absl::string_view text,
                                                   absl::Time now);

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_ENROLMENT_TOKEN_H_
