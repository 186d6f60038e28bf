#include "agent/context/context_record.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/launch/launch_plan.h"
#include "auth/principal.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kCollection = "contexts/";

bool IsUserPattern(absl::string_view pattern) {
  if (pattern == "user/*" || pattern == "service/*") return true;
  const absl::StatusOr<Principal> principal = Principal::Parse(pattern);
  return principal.ok() && (principal->kind() == PrincipalKind::kUser ||
                            principal->kind() == PrincipalKind::kService);
}

bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isprint(static_cast<unsigned char>(c));
  });
}

}  // namespace

bool operator==(const ContextRecord& a, const ContextRecord& b) {
  const auto fields = [](const ContextRecord& c) {
    return std::tie(c.id, c.description, c.users, c.spec, c.creator,
                    c.create_time, c.etag);
  };
  return fields(a) == fields(b);
}

// The grammar of all ids of the API.
bool IsContextId(absl::string_view id) { return IsGuestId(id); }

std::string ToContextName(absl::string_view id) {
  return absl::StrCat(kCollection, id);
}

absl::StatusOr<std::string> ParseContextName(absl::string_view name,
                                             absl::string_view field) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, kCollection) && IsContextId(id)) {
    return std::string(id);
  }
  constexpr absl::string_view kForm =
      "must be contexts/{context}, where {context} is "
      "[a-z]([a-z0-9-]{0,61}[a-z0-9])?";
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat(field, " '", absl::CHexEscape(name.substr(0, 80)),
                            "' ", kForm))
      .Field(field, kForm);
}

bool Admits(const ContextRecord& context, absl::string_view principal) {
  return !principal.empty() &&
         std::any_of(context.users.begin(), context.users.end(),
                     [&](const std::string& pattern) {
                       absl::string_view kind = pattern;
                       if (absl::ConsumeSuffix(&kind, "*")) {
                         return absl::StartsWith(principal, kind);
                       }
                       return pattern == principal;
                     });
}

std::vector<FieldViolation> FindRecordFaults(const ContextRecord& context) {
  std::vector<FieldViolation> faults =
      FindContextFaults(context.spec, "context.spec");
  if (!IsContextId(context.id)) {
    faults.push_back(
        {"context_id", "must match [a-z]([a-z0-9-]{0,61}[a-z0-9])?"});
  }
  if (context.description.size() > kMaxContextDescription ||
      !IsPrintable(context.description)) {
    faults.push_back({"context.description",
                      absl::StrCat("must be at most ", kMaxContextDescription,
                                   " characters of printable ASCII")});
  }
  if (context.users.size() > kMaxContextUsers) {
    faults.push_back(
        {"context.users", absl::StrCat("must be at most ", kMaxContextUsers)});
  }
  for (const std::string& user : context.users) {
    if (IsUserPattern(user)) continue;
    faults.push_back(
        {"context.users",
         absl::StrCat("'", absl::CHexEscape(user.substr(0, 80)),
                      "' is neither user/NAME, service/NAME, user/* nor "
                      "service/*")});
  }
  return faults;
}

}  // namespace innkeeper
