#include "agent/plugin/plugin_patch.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_spec.h"
#include "agent/qmp/printable_text.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxQuoted = 128;
// More than a guest may have would be refused in the end anyhow.
constexpr size_t kMaxPatchedLabels = 2 * kMaxLabels;

absl::Status Refused(absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, reason::kPluginFailed,
               why);
}

// `asked` instead of `present`, unless it is more.
template <typename Number>
absl::Status Lower(absl::string_view field, Number asked, Number* present,
                   std::vector<std::string>* changes) {
  if (asked == 0 || asked == *present) return absl::OkStatus();
  if (asked < 0 || asked > *present) {
    return Refused(absl::StrCat("it wants ", field, " = ", asked,
                                ", which may only go down from ", *present));
  }
  changes->push_back(
      absl::StrCat(field, " = ", asked, " (was ", *present, ")"));
  *present = asked;
  return absl::OkStatus();
}

absl::Status PatchLabels(const PluginPatch& patch, const PatchRules& rules,
                         GuestSpec* spec, std::vector<std::string>* changes) {
  if (patch.labels.size() > kMaxPatchedLabels) {
    return Refused("it wants too many labels");
  }
  for (const auto& [key, value] : patch.labels) {
    const auto present = spec->labels.find(key);
    const bool there = present != spec->labels.end();
    if (value.empty() ? !there : there && present->second == value) continue;
    const std::string shown = PrintableText(key, kMaxQuoted);
    if (there && rules.may_make == nullptr) {
      return Refused(absl::StrCat("it wants to change the label '", shown,
                                  "' of a launch that was taken over from the "
                                  "last agent"));
    }
    if (value.empty()) {
      changes->push_back(absl::StrCat("label ", shown, " removed"));
      spec->labels.erase(present);
    } else {
      changes->push_back(absl::StrCat("label ", shown, " = ",
                                      PrintableText(value, kMaxQuoted)));
      spec->labels[key] = value;
    }
  }
  return absl::OkStatus();
}

absl::Status PatchCommandLine(const PluginPatch& patch, const PatchRules& rules,
                              GuestSpec* spec,
                              std::vector<std::string>* changes) {
  const std::string& suffix = patch.kernel_command_line_suffix;
  if (suffix.empty()) return absl::OkStatus();
  // Later it might be appended twice: a launch that was cut off is done again.
  if (rules.stage != PluginStage::kAdmit) {
    return Refused("kernel_command_line_suffix is for the stage admit only");
  }
  if (suffix.size() > kMaxCommandLineSuffix) {
    return Refused(absl::StrCat("kernel_command_line_suffix has ",
                                suffix.size(), " bytes, more than ",
                                kMaxCommandLineSuffix));
  }
  std::string* const line = &spec->kernel_command_line;
  absl::StrAppend(line, line->empty() ? "" : " ", suffix);
  changes->push_back(absl::StrCat("kernel_command_line + ",
                                  PrintableText(suffix, kMaxQuoted)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ApplyPatch(const PluginPatch& patch,
                                                    const PatchRules& rules,
                                                    GuestRecord* guest) {
  if (rules.stage == PluginStage::kArgv) {
    return Refused("it wants changes at the stage argv, which only denies");
  }
  if (!patch.unsupported.empty()) {
    return Refused(absl::StrCat("it wants to change ",
                                absl::StrJoin(patch.unsupported, ", "),
                                ", which this agent lets no plugin do"));
  }
  GuestRecord next = *guest;
  std::vector<std::string> changes;
  RETURN_IF_ERROR(PatchLabels(patch, rules, &next.spec, &changes));
  RETURN_IF_ERROR(Lower("memory_bytes", patch.memory_bytes,
                        &next.spec.memory_bytes, &changes));
  RETURN_IF_ERROR(
      Lower("vcpu_count", patch.vcpu_count, &next.spec.vcpu_count, &changes));
  RETURN_IF_ERROR(PatchCommandLine(patch, rules, &next.spec, &changes));
  if (changes.empty()) return changes;
  if (rules.restart) {
    return Refused(absl::StrCat(
        "it wants to change a guest that was launched "
        "before (",
        absl::StrJoin(changes, ", "), "); deny its start instead"));
  }
  const std::vector<FieldViolation> faults = FindFaults(next.spec, "spec");
  if (!faults.empty()) {
    return Refused(absl::StrCat(
        "what it wants is no valid guest: ",
        PrintableText(absl::StrCat(faults[0].field, " ", faults[0].description),
                      4 * kMaxQuoted)));
  }
  if (rules.may_make != nullptr && !rules.may_make(next)) {
    return Refused("what it wants (" + absl::StrJoin(changes, ", ") +
                   ") is more than the caller of the launch may ask for");
  }
  *guest = std::move(next);
  return changes;
}

}  // namespace innkeeper
