// A host of the cluster, as the server was told when it came in.
#ifndef INNKEEPER_SERVER_HOSTS_ENROLLED_HOST_H_
#define INNKEEPER_SERVER_HOSTS_ENROLLED_HOST_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace innkeeper {

// A value.
struct EnrolledHost {
  std::string name;         // "h1"
  std::string address;      // "h1.example:7440": where its agent listens.
  std::string fingerprint;  // SHA-256 of its certificate, in hex.
  // Grows by one with each enrolment; fences calls that an earlier host of the
  // same name might still get.
  int64_t enrolment_number = 0;
  absl::Time enrol_time = absl::UnixEpoch();
  bool cordoned = false;
  // The answer to its enrolment, for the same call again: the token it came
  // with, and its certificate with the issuer's in PEM.
  std::string token_id;
  std::string certificate_chain;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_ENROLLED_HOST_H_
