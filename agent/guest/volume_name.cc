#include "agent/guest/volume_name.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxIdLength = 63;

}  // namespace

std::string VolumeName::ToString() const {
  return absl::StrCat("pools/", pool, "/volumes/", volume);
}

bool IsPoolOrVolumeId(absl::string_view text) {
  if (text.empty() || text.size() > kMaxIdLength) return false;
  if (!absl::ascii_isalnum(static_cast<unsigned char>(text.front()))) {
    return false;
  }
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' &&
        c != '.' && c != '-') {
      return false;
    }
  }
  return true;
}

absl::StatusOr<VolumeName> ParseVolumeName(absl::string_view name,
                                           absl::string_view field) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(name.substr(0, 200), '/');
  if (name.size() <= 200 && parts.size() == 4 && parts[0] == "pools" &&
      parts[2] == "volumes" && IsPoolOrVolumeId(parts[1]) &&
      IsPoolOrVolumeId(parts[3])) {
    return VolumeName{std::string(parts[1]), std::string(parts[3])};
  }
  constexpr absl::string_view kForm =
      "must be pools/{pool}/volumes/{volume}, both of letters, digits, '_', "
      "'.' and '-', beginning with a letter or digit, at most 63 characters; a "
      "path of the host is never taken";
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat(field, " '", absl::CHexEscape(name.substr(0, 80)),
                            "' ", kForm))
      .Field(field, kForm);
}

}  // namespace innkeeper
