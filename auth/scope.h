// The part of the world that a binding reaches.
#ifndef INNKEEPER_AUTH_SCOPE_H_
#define INNKEEPER_AUTH_SCOPE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "auth/principal.h"
#include "auth/resource.h"

namespace innkeeper {

// A value.
class Scope {
 public:
  // "all", "own", "host:H", "label:K=V" or "guest:G". INVALID_ARGUMENT.
  static absl::StatusOr<Scope> Parse(absl::string_view text);
  static Scope All() { return Scope(Kind::kAll, "", ""); }

  // Whether it reaches `resource`, when `caller` acts.
  bool Covers(const Principal& caller,
              const ResourceAttributes& resource) const;
  bool is_all() const { return kind_ == Kind::kAll; }
  bool is_own() const { return kind_ == Kind::kOwn; }
  // The inverse of Parse.
  std::string ToString() const;

 private:
  enum class Kind { kAll, kOwn, kHost, kLabel, kGuest };
  Scope(Kind kind, absl::string_view key, absl::string_view value)
      : kind_(kind), key_(key), value_(value) {}

  Kind kind_;
  std::string key_;  // Of a label; else empty.
  // Of a label, or the full name of the host or guest; else empty.
  std::string value_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_SCOPE_H_
