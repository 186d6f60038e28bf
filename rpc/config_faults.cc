#include "rpc/config_faults.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

void ConfigFaults::Add(absl::string_view field, absl::string_view description) {
  faults_.push_back({std::string(field), std::string(description)});
}

void ConfigFaults::CheckPath(absl::string_view field, absl::string_view path,
                             bool required) {
  if (path.empty()) {
    if (required) Add(field, "is required");
  } else if (!absl::StartsWith(path, "/")) {
    Add(field, "must be an absolute path");
  }
}

void ConfigFaults::CheckStatus(const absl::Status& status) {
  if (status.ok()) return;
  const ErrorDetails details = DetailsOf(status);
  if (details.fields.empty()) Add("", status.message());
  faults_.insert(faults_.end(), details.fields.begin(), details.fields.end());
}

absl::Status ConfigFaults::ToStatus(absl::string_view file) const {
  if (faults_.empty()) return absl::OkStatus();
  std::string text = absl::StrCat(file, " has faults:");
  for (const FieldViolation& fault : faults_) {
    absl::StrAppend(&text, " ", fault.field, fault.field.empty() ? "" : ": ",
                    fault.description, ";");
  }
  text.pop_back();
  Error error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid, text);
  for (const FieldViolation& fault : faults_) {
    error.Field(fault.field, fault.description);
  }
  return error.With("file", file);
}

}  // namespace innkeeper
