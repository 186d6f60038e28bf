#include "cli/name.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

absl::Status Refusal(absl::string_view text, absl::string_view wanted) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("'", text, "' is not the name of ", wanted));
}

}  // namespace

absl::StatusOr<std::string> FullName(absl::string_view collection,
                                     absl::string_view text) {
  absl::string_view id = text;
  absl::ConsumePrefix(&id, absl::StrCat(collection, "/"));
  if (id.empty() || absl::StrContains(id, '/')) {
    return Refusal(text, absl::StrCat("one of the ", collection,
                                      "; write NAME or ", collection, "/NAME"));
  }
  return absl::StrCat(collection, "/", id);
}

absl::string_view ShortName(absl::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == absl::string_view::npos ? name : name.substr(slash + 1);
}

absl::StatusOr<std::string> OwnerName(absl::string_view text) {
  absl::string_view id = text;
  absl::ConsumePrefix(&id, "user/");
  if (id.empty() || absl::StrContains(id, '/')) {
    return Refusal(text, "an owner; write NAME or user/NAME");
  }
  return absl::StrCat("user/", id);
}

absl::StatusOr<std::string> VolumeName(absl::string_view text) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() == 4 && parts[0] == "pools" && parts[2] == "volumes") {
    parts = {parts[1], parts[3]};
  }
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    return Refusal(text,
                   "a volume; write POOL/VOLUME or pools/POOL/volumes/VOLUME");
  }
  return absl::StrCat("pools/", parts[0], "/volumes/", parts[1]);
}

}  // namespace innkeeper
