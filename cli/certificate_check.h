// What is wrong with a certificate before anybody is dialled.
#ifndef INNKEEPER_CLI_CERTIFICATE_CHECK_H_
#define INNKEEPER_CLI_CERTIFICATE_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/remotes.h"

namespace innkeeper {

enum class CheckResult { kOk, kWarning, kFailure };

// One line of a check-up.
struct Finding {
  CheckResult result;
  std::string subject;  // "certificate"
  std::string text;     // What was seen and, unless it is fine, the way out.
};

// The trust domain that the certificate in `path` claims: "lab" of
// "spiffe://lab/user/alice". INVALID_ARGUMENT if it claims none; nothing else
// is looked at.
absl::StatusOr<std::string> TrustDomainOf(const std::string& path);

// Reads the files of `remote` and looks at expiry, identity, key, chain and the
// clock as of `now`. Blocks on the file system only.
std::vector<Finding> CheckCertificates(const Remote& remote, absl::Time now);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_CERTIFICATE_CHECK_H_
