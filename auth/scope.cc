#include "auth/scope.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "auth/principal.h"
#include "auth/resource.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

absl::StatusOr<Scope> Scope::Parse(absl::string_view text) {
  if (text == "all") return All();
  if (text == "own") return Scope(Kind::kOwn, "", "");
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "host:") && IsPrincipalName(rest)) {
    return Scope(Kind::kHost, "", absl::StrCat("hosts/", rest));
  }
  rest = text;
  if (absl::ConsumePrefix(&rest, "guest:") && IsPrincipalName(rest)) {
    return Scope(Kind::kGuest, "", absl::StrCat("guests/", rest));
  }
  rest = text;
  if (absl::ConsumePrefix(&rest, "label:")) {
    const size_t equals = rest.find('=');
    if (equals != absl::string_view::npos && equals > 0) {
      return Scope(Kind::kLabel, rest.substr(0, equals),
                   rest.substr(equals + 1));
    }
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               absl::StrCat("'", absl::CHexEscape(text),
                            "' is not a scope: write all, own, host:NAME, "
                            "label:KEY=VALUE or guest:NAME"))
      .With("scope", text);
}

bool Scope::Covers(const Principal& caller,
                   const ResourceAttributes& resource) const {
  switch (kind_) {
    case Kind::kAll:
      return true;
    case Kind::kOwn:
      return !resource.owner.empty() && resource.owner == caller.ToString();
    case Kind::kHost:
      return resource.host == value_ || resource.name == value_;
    case Kind::kLabel: {
      const auto label = resource.labels.find(key_);
      return label != resource.labels.end() && label->second == value_;
    }
    case Kind::kGuest:
      return resource.name == value_;
  }
  return false;
}

std::string Scope::ToString() const {
  switch (kind_) {
    case Kind::kAll:
      return "all";
    case Kind::kOwn:
      return "own";
    case Kind::kHost:
      return absl::StrCat("host:", absl::StripPrefix(value_, "hosts/"));
    case Kind::kLabel:
      return absl::StrCat("label:", key_, "=", value_);
    case Kind::kGuest:
      return absl::StrCat("guest:", absl::StripPrefix(value_, "guests/"));
  }
  return "";
}

}  // namespace innkeeper
