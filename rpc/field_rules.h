// What single fields of requests must look like, by their names.
#ifndef INNKEEPER_RPC_FIELD_RULES_H_
#define INNKEEPER_RPC_FIELD_RULES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace innkeeper {

// Lengths that hold where a rule has none of its own.
inline constexpr size_t kMaxStringBytes = 4096;
inline constexpr size_t kMaxBytesField = size_t{64} << 10;
inline constexpr int kMaxElements = 1024;

// The most bytes of a string or bytes field.
size_t MaxLength(const google::protobuf::FieldDescriptor* field);
// The most elements of a repeated or map field.
int MaxElements(const google::protobuf::FieldDescriptor* field);

// What is wrong with a string, or nothing. An empty one is always right:
// whether it may be empty is not a matter of form.
std::optional<std::string> CheckString(
    const google::protobuf::FieldDescriptor* field, absl::string_view value);
// The same for numbers that are set.
std::optional<std::string> CheckNumber(
    const google::protobuf::FieldDescriptor* field, int64_t value);
// The same for durations, in seconds and nanoseconds as they were sent.
std::optional<std::string> CheckDuration(
    const google::protobuf::FieldDescriptor* field, int64_t seconds,
    int32_t nanos);
// The same for an entry of a map of strings.
std::optional<std::string> CheckMapEntry(
    const google::protobuf::FieldDescriptor* field, absl::string_view key,
    absl::string_view value);

// Grammars of API names: the parts of resource names and the names.
bool IsGuestIdText(absl::string_view text);
bool IsHostIdText(absl::string_view text);
bool IsGuestNameText(absl::string_view text);
bool IsHostNameText(absl::string_view text);
bool IsOperationNameText(absl::string_view text);
bool IsOwnerText(absl::string_view text);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_FIELD_RULES_H_
