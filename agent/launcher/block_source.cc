#include "agent/launcher/block_source.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxGroupNameBytes = 127;
constexpr size_t kMaxValueBytes = 4096;

constexpr std::pair<absl::string_view, DeviceSelector::Kind> kKinds[] = {
    {"dm-uuid", DeviceSelector::Kind::kDmUuid},
    {"dm-name", DeviceSelector::Kind::kDmName},
    {"wwid", DeviceSelector::Kind::kWwid},
    {"serial", DeviceSelector::Kind::kSerial},
    {"loop", DeviceSelector::Kind::kLoop},
};

absl::Status Invalid(absl::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               message);
}

bool IsWord(absl::string_view text, absl::string_view punctuation) {
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) &&
        punctuation.find(c) == absl::string_view::npos) {
      return false;
    }
  }
  return true;
}

// As lvm(8) has it.
bool IsVolumeGroup(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxGroupNameBytes && name != "." &&
         name != ".." && name.front() != '-' && IsWord(name, "+_.-");
}

absl::Status AddLine(absl::string_view line, BlockSource& source) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(line, absl::MaxSplits(' ', 1));
  const std::string volume(parts.first);
  if (!IsBlockVolumeName(volume)) {
    return Invalid("the volume's name must match [A-Za-z0-9][A-Za-z0-9_.-]*");
  }
  const std::pair<absl::string_view, absl::string_view> selector =
      absl::StrSplit(absl::StripAsciiWhitespace(parts.second),
                     absl::MaxSplits('=', 1));
  if (selector.second.empty() || selector.second.size() > kMaxValueBytes) {
    return Invalid("must be VOLUME KIND=VALUE");
  }
  for (const auto& [name, kind] : kKinds) {
    if (name != selector.first) continue;
    const std::string value(selector.second);
    // Under two names, one device would have two guests' locks.
    for (const auto& [unused, other] : source.volumes) {
      if (other.kind == kind && other.value == value) {
        return Invalid("names a device for the second time");
      }
    }
    if (!source.volumes.insert({volume, {kind, value}}).second) {
      return Invalid(absl::StrCat("names '", volume, "' for the second time"));
    }
    return absl::OkStatus();
  }
  return Invalid("KIND must be dm-uuid, dm-name, wwid, serial or loop");
}

}  // namespace

bool IsBlockVolumeName(absl::string_view name) {
  return !name.empty() && name.size() <= 63 &&
         absl::ascii_isalnum(name.front()) && IsWord(name, "_.-");
}

absl::StatusOr<BlockSource> ParseBlockList(absl::string_view text) {
  BlockSource source;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    absl::Status added =
        source.volumes.size() < kMaxBlockListVolumes
            ? AddLine(line, source)
            : Invalid(
                  absl::StrCat("is beyond ", kMaxBlockListVolumes, " volumes"));
    if (!added.ok()) {
      return Invalid(absl::StrCat("line ", number, ": ", added.message()));
    }
  }
  if (source.volumes.empty()) return Invalid("names no volume");
  return source;
}

absl::StatusOr<BlockSource> ReadBlockSource(const std::string& text) {
  absl::string_view group = text;
  if (absl::ConsumePrefix(&group, "vg:")) {
    if (!IsVolumeGroup(group)) {
      return Invalid(absl::StrCat("'", group, "' cannot be a volume group"));
    }
    BlockSource source;
    source.volume_group = std::string(group);
    return source;
  }
  if (text.empty() || text.front() != '/') {
    return Invalid("must be vg:GROUP or the absolute path of a list");
  }
  ASSIGN_OR_RETURN(const std::string list, ReadFile(text, kMaxBlockListBytes));
  absl::StatusOr<BlockSource> source = ParseBlockList(list);
  if (!source.ok()) {
    return Invalid(absl::StrCat(text, ": ", source.status().message()));
  }
  return source;
}

}  // namespace innkeeper
