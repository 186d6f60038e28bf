// Who somebody is: one name, whichever way it was proved.
#ifndef INNKEEPER_AUTH_PRINCIPAL_H_
#define INNKEEPER_AUTH_PRINCIPAL_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

enum class PrincipalKind {
  kUser,     // A person.
  kService,  // A program that acts in its own name.
  kHost,     // An agent.
  kServer,   // The server of a cluster.
  kGateway,  // The HTTP gateway.
  kEnrol,    // The bearer of an enrolment token.
  kLocal,    // A unix account without a name of ours.
};

// "user", "service", "host", "server", "gateway", "enrol", "local".
absl::string_view ToString(PrincipalKind kind);

// Whether `name` is [a-z0-9][a-z0-9._-]{0,62}.
bool IsPrincipalName(absl::string_view name);

// Whether `trust_domain` is like a DNS name in lower case: 1 to 253 characters
// of [a-z0-9.-] that begin and end with [a-z0-9].
bool IsTrustDomain(absl::string_view trust_domain);

// A value; copyable, comparable, hashable. Always well formed.
class Principal {
 public:
  // "user/alice", "host/h1" ... or "local/HOST/UID". Input: untrusted.
  // INVALID_ARGUMENT for all else.
  static absl::StatusOr<Principal> Parse(absl::string_view text);

  // `uri` is the name in a certificate:
  // "spiffe://TRUST_DOMAIN/KIND/NAME", nothing before, between or after, and
  // never of kind local. Input: untrusted. INVALID_ARGUMENT for all else.
  static absl::StatusOr<Principal> FromSpiffeId(absl::string_view uri,
                                                absl::string_view trust_domain);

  // The unix account `uid` on `host` (IsPrincipalName).
  static absl::StatusOr<Principal> Local(absl::string_view host, uint32_t uid);

  // The inverse of FromSpiffeId. Empty for kLocal, which no certificate names.
  std::string SpiffeId(absl::string_view trust_domain) const;

  PrincipalKind kind() const { return kind_; }
  // "alice"; "HOST/UID" for kLocal.
  const std::string& name() const { return name_; }
  // "user/alice"; the inverse of Parse.
  std::string ToString() const;

  friend bool operator==(const Principal& a, const Principal& b) {
    return a.kind_ == b.kind_ && a.name_ == b.name_;
  }
  friend bool operator!=(const Principal& a, const Principal& b) {
    return !(a == b);
  }
  friend bool operator<(const Principal& a, const Principal& b) {
    return std::tie(a.kind_, a.name_) < std::tie(b.kind_, b.name_);
  }
  template <typename H>
  friend H AbslHashValue(H hash, const Principal& principal) {
    return H::combine(std::move(hash), principal.kind_, principal.name_);
  }
  friend std::ostream& operator<<(std::ostream& out, const Principal& p) {
    return out << p.ToString();
  }

 private:
  Principal(PrincipalKind kind, absl::string_view name)
      : kind_(kind), name_(name) {}

  PrincipalKind kind_;
  std::string name_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_PRINCIPAL_H_
