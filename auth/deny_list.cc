#include "auth/deny_list.h"

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "auth/certificate.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxBytes = 4 << 20;

bool IsHex(absl::string_view text) {
  for (const char c : text) {
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (!digit) return false;
  }
  return !text.empty();
}

bool IsEntry(absl::string_view line) {
  absl::string_view rest = line;
  if (absl::ConsumePrefix(&rest, "sha256:")) {
    return rest.size() == 64 && IsHex(rest);
  }
  if (absl::ConsumePrefix(&rest, "serial:")) {
    // Serial numbers are compared as text, so there is one way to write them.
    return rest.size() <= 40 && IsHex(rest) &&
           (rest.size() == 1 || rest.front() != '0');
  }
  if (absl::ConsumePrefix(&rest, "principal:")) {
    return Principal::Parse(rest).ok();
  }
  return false;
}

}  // namespace

DenyList::DenyList(absl::string_view path)
    : enabled_(!path.empty()),
      file_(std::string(path), kMaxBytes, &DenyList::Parse) {}

absl::Status DenyList::Check(const Certificate& certificate) const {
  if (!enabled_) return absl::OkStatus();
  const auto entries = file_.Get();
  if (!entries.ok()) return Ready();
  const std::set<std::string>& denied = **entries;
  for (const std::string& entry :
       {absl::StrCat("sha256:", certificate.fingerprint),
        absl::StrCat("serial:", certificate.serial_number),
        absl::StrCat("principal:", certificate.principal.ToString())}) {
    if (denied.count(entry) == 0) continue;
    return Error(absl::StatusCode::kPermissionDenied,
                 reason::kCertificateRefused,
                 absl::StrCat("the certificate of ",
                              certificate.principal.ToString(), " is revoked"));
  }
  return absl::OkStatus();
}

absl::Status DenyList::Ready() const {
  if (!enabled_) return absl::OkStatus();
  const auto entries = file_.Get();
  if (entries.ok()) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, reason::kConfigInvalid,
               absl::StrCat("nobody is admitted, because the deny list '",
                            file_.path(),
                            "' cannot be used: ", entries.status().message(),
                            "; restore it, or write an empty one"))
      .With("path", file_.path());
}

absl::StatusOr<std::set<std::string>> DenyList::Parse(
    absl::string_view content) {
  std::set<std::string> entries;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    if (!IsEntry(line)) {
      return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                   absl::StrCat("line ", number, ": '",
                                absl::CHexEscape(line.substr(0, 80)),
                                "' is none of sha256:HEX, serial:HEX and "
                                "principal:KIND/NAME"));
    }
    entries.emplace(line);
  }
  return entries;
}

}  // namespace innkeeper
