#include "agent/guest/guest_name.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/launch/launch_plan.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kCollection = "guests/";
}  // namespace

std::string ToGuestName(absl::string_view id) {
  return absl::StrCat(kCollection, id);
}

absl::StatusOr<std::string> ParseGuestName(absl::string_view name,
                                           absl::string_view field) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, kCollection) && IsGuestId(id)) {
    return std::string(id);
  }
  constexpr absl::string_view kForm =
      "must be guests/{guest}, where {guest} begins with a lower-case letter, "
      "has only lower-case letters, digits and '-', does not end with '-' and "
      "has at most 63 characters";
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat(field, " '", absl::CHexEscape(name.substr(0, 80)),
                            "' ", kForm))
      .Field(field, kForm);
}

}  // namespace innkeeper
