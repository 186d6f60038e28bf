#include "auth/principal.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// One more than a name may have: enough to show what is wrong.
constexpr size_t kShownBytes = 64;

constexpr PrincipalKind kKinds[] = {
    PrincipalKind::kUser,   PrincipalKind::kService, PrincipalKind::kHost,
    PrincipalKind::kServer, PrincipalKind::kGateway, PrincipalKind::kEnrol,
    PrincipalKind::kLocal,
};

bool IsLowerAlnum(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c));
}

absl::Status Malformed(absl::string_view what, absl::string_view text) {
  const std::string shown = absl::CHexEscape(text.substr(0, kShownBytes));
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("'", shown, "' is not ", what))
      .With("value", shown);
}

// HOST/UID, with the uid as its canonical decimal.
bool IsLocalName(absl::string_view name) {
  const size_t slash = name.find('/');
  if (slash == absl::string_view::npos) return false;
  const absl::string_view digits = name.substr(slash + 1);
  uint32_t uid = 0;
  return IsPrincipalName(name.substr(0, slash)) &&
         absl::SimpleAtoi(digits, &uid) && absl::StrCat(uid) == digits;
}

}  // namespace

absl::string_view ToString(PrincipalKind kind) {
  switch (kind) {
    case PrincipalKind::kUser:
      return "user";
    case PrincipalKind::kService:
      return "service";
    case PrincipalKind::kHost:
      return "host";
    case PrincipalKind::kServer:
      return "server";
    case PrincipalKind::kGateway:
      return "gateway";
    case PrincipalKind::kEnrol:
      return "enrol";
    case PrincipalKind::kLocal:
      return "local";
  }
  return "";
}

bool IsPrincipalName(absl::string_view name) {
  if (name.empty() || name.size() > 63 || !IsLowerAlnum(name[0])) return false;
  for (const char c : name) {
    if (!IsLowerAlnum(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

bool IsTrustDomain(absl::string_view trust_domain) {
  if (trust_domain.empty() || trust_domain.size() > 253) return false;
  if (!IsLowerAlnum(trust_domain.front())) return false;
  if (!IsLowerAlnum(trust_domain.back())) return false;
  for (const char c : trust_domain) {
    if (!IsLowerAlnum(c) && c != '.' && c != '-') return false;
  }
  return true;
}

absl::StatusOr<Principal> Principal::Parse(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash != absl::string_view::npos) {
    const absl::string_view name = text.substr(slash + 1);
    for (const PrincipalKind kind : kKinds) {
      if (text.substr(0, slash) != innkeeper::ToString(kind)) continue;
      if (kind == PrincipalKind::kLocal ? IsLocalName(name)
                                        : IsPrincipalName(name)) {
        return Principal(kind, name);
      }
    }
  }
  return Malformed("a principal: write KIND/NAME, as in user/alice", text);
}

absl::StatusOr<Principal> Principal::FromSpiffeId(
    absl::string_view uri, absl::string_view trust_domain) {
  // Compared byte by byte and never decoded, so that ports, queries, escapes
  // and upper case are all simply not the prefix or not a name.
  absl::string_view path = uri;
  if (IsTrustDomain(trust_domain) && absl::ConsumePrefix(&path, "spiffe://") &&
      absl::ConsumePrefix(&path, trust_domain) &&
      absl::ConsumePrefix(&path, "/")) {
    absl::StatusOr<Principal> principal = Parse(path);
    if (principal.ok() && principal->kind() != PrincipalKind::kLocal) {
      return principal;
    }
  }
  return Malformed(
      absl::StrCat("a name of this trust domain: it must be spiffe://",
                   trust_domain, "/KIND/NAME"),
      uri);
}

absl::StatusOr<Principal> Principal::Local(absl::string_view host,
                                           uint32_t uid) {
  return Parse(absl::StrCat("local/", host, "/", uid));
}

std::string Principal::SpiffeId(absl::string_view trust_domain) const {
  if (kind_ == PrincipalKind::kLocal) return "";
  return absl::StrCat("spiffe://", trust_domain, "/", ToString());
}

std::string Principal::ToString() const {
  return absl::StrCat(innkeeper::ToString(kind_), "/", name_);
}

}  // namespace innkeeper
