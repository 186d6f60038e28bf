// Messages as proto3 JSON.
#ifndef INNKEEPER_CLI_OUTPUT_JSON_H_
#define INNKEEPER_CLI_OUTPUT_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace innkeeper {

// `message` with a newline at its end: indented, or on one line. INTERNAL for
// an Any whose type this program does not know.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message,
                                   bool indented);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_JSON_H_
