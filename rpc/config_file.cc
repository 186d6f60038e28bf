#include "rpc/config_file.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxFaults = 20;

// Keeps what the parser says, with places that count from 1 as editors do.
class Faults final : public google::protobuf::io::ErrorCollector {
 public:
  explicit Faults(std::string name) : name_(std::move(name)) {}

  void AddError(int line, int column, const std::string& message) override {
    if (faults_.size() >= kMaxFaults) return;
    faults_.push_back(
        absl::StrCat(name_, ":", line + 1, ":", column + 1, ": ", message));
  }
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  const std::string name_;
  std::vector<std::string> faults_;
};

}  // namespace

absl::Status ParseConfig(const std::string& name, absl::string_view text,
                         google::protobuf::Message* config) {
  Faults faults(name);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&faults);
  if (parser.ParseFromString(std::string(text), config)) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               absl::StrJoin(faults.faults(), "; "))
      .With("file", name);
}

absl::Status ReadConfigFile(const std::string& path,
                            google::protobuf::Message* config) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  return ParseConfig(path, text, config);
}

}  // namespace innkeeper
