#include "cli/output/json.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"

namespace innkeeper {

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message,
                                   bool indented) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = indented;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return Error(absl::StatusCode::kInternal, reason::kInternal,
                 absl::StrCat("the answer cannot be shown as JSON: ",
                              status.ToString(), "; try: -o table"))
        .Build();
  }
  if (!indented) json.push_back('\n');
  return json;
}

}  // namespace innkeeper
