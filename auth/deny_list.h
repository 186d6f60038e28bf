// Certificates and principals that are no longer welcome.
#ifndef INNKEEPER_AUTH_DENY_LIST_H_
#define INNKEEPER_AUTH_DENY_LIST_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/certificate.h"
#include "auth/watched_file.h"

namespace innkeeper {

// A file of lines, read again whenever it changes:
//   sha256:HEX         one certificate, by fingerprint
//   serial:HEX         certificates of a serial number
//   principal:user/x   everybody of that name
// Empty lines and lines that begin with # are ignored; at most 4 MiB.
//
// Thread-safe. Cheap enough for every call.
class DenyList {
 public:
  // An empty `path` denies nobody.
  explicit DenyList(absl::string_view path);

  // PERMISSION_DENIED if `certificate` is listed. UNAVAILABLE, for every
  // certificate, if the file is missing, unreadable or malformed: who was
  // denied must not come back because a file went away.
  absl::Status Check(const Certificate& certificate) const;

  // For readiness: why Check would refuse everybody, if it would.
  absl::Status Ready() const;

  // The lines of `content`; INVALID_ARGUMENT names the first bad one.
  static absl::StatusOr<std::set<std::string>> Parse(absl::string_view content);

 private:
  const bool enabled_;
  const WatchedFile<std::set<std::string>> file_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_DENY_LIST_H_
