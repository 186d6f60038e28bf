// Reads a field of any message by its path.
#ifndef INNKEEPER_RPC_REQUEST_FIELD_H_
#define INNKEEPER_RPC_REQUEST_FIELD_H_

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace innkeeper {

// The string at `path` ("guest.owner"); empty if a message on the way is
// absent or the path does not lead to a single string.
std::string StringField(const google::protobuf::Message& message,
                        absl::string_view path);

// Whether `path` leads from `type` to a single string.
bool HasStringField(const google::protobuf::Descriptor* type,
                    absl::string_view path);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_REQUEST_FIELD_H_
