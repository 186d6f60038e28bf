// Configuration files: protobuf's text format, read strictly.
#ifndef INNKEEPER_RPC_CONFIG_FILE_H_
#define INNKEEPER_RPC_CONFIG_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace innkeeper {

// Reads `path`, at most 1 MiB, into `config`. INVALID_ARGUMENT (CONFIG_INVALID)
// with file, line and column of each fault: syntax, an unknown field, a value
// of the wrong type, a field given twice. NOT_FOUND if there is no such file.
absl::Status ReadConfigFile(const std::string& path,
                            google::protobuf::Message* config);

// The same for `text`, which messages call `name`.
absl::Status ParseConfig(const std::string& name, absl::string_view text,
                         google::protobuf::Message* config);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_CONFIG_FILE_H_
