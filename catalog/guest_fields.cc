#include "catalog/guest_fields.h"

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"

namespace innkeeper {
namespace {

// Every name of an enum but the one that is never sent.
std::vector<std::string> NamesOf(
    const google::protobuf::EnumDescriptor* descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor->value_count(); ++i) {
    if (descriptor->value(i)->number() != 0) {
      names.push_back(descriptor->value(i)->name());
    }
  }
  return names;
}

FieldValue TimeValue(bool present,
                     const google::protobuf::Timestamp& timestamp) {
  if (!present) return std::monostate();
  return absl::FromUnixSeconds(timestamp.seconds()) +
         absl::Nanoseconds(timestamp.nanos());
}

}  // namespace

const FieldSchema& GuestFieldSchema() {
  static const FieldSchema* const schema = new FieldSchema({
      {"name", FieldType::kString, {}},
      {"uid", FieldType::kString, {}},
      {"owner", FieldType::kString, {}},
      {"host", FieldType::kString, {}},
      {"state", FieldType::kEnum, NamesOf(v1::Guest::State_descriptor())},
      {"origin", FieldType::kEnum, NamesOf(v1::Guest::Origin_descriptor())},
      {"stale", FieldType::kBool, {}},
      {"unresponsive", FieldType::kBool, {}},
      {"labels.*", FieldType::kString, {}},
      {"spec.machine", FieldType::kEnum,
       NamesOf(v1::GuestSpec::Machine_descriptor())},
      {"spec.vcpu_count", FieldType::kInt, {}},
      {"spec.memory_bytes", FieldType::kInt, {}},
      {"create_time", FieldType::kTime, {}},
      {"start_time", FieldType::kTime, {}},
  });
  return *schema;
}

const FieldSchema& EventFieldSchema() {
  static const FieldSchema* const schema = new FieldSchema({
      {"host", FieldType::kString, {}},
      {"type", FieldType::kString, {}},
      {"guest", FieldType::kString, {}},
      {"guest_uid", FieldType::kString, {}},
      {"owner", FieldType::kString, {}},
      {"operation", FieldType::kString, {}},
      {"caller", FieldType::kString, {}},
  });
  return *schema;
}

FieldValue GuestFields::Get(absl::string_view path) const {
  if (path == "name") return absl::string_view(guest_.name());
  if (path == "uid") return absl::string_view(guest_.uid());
  if (path == "owner") return absl::string_view(guest_.owner());
  if (path == "host") return absl::string_view(guest_.host());
  if (path == "state") {
    return absl::string_view(v1::Guest::State_Name(guest_.state()));
  }
  if (path == "origin") {
    return absl::string_view(v1::Guest::Origin_Name(guest_.origin()));
  }
  if (path == "stale") return guest_.stale();
  if (path == "unresponsive") return guest_.unresponsive();
  if (path == "spec.machine") {
    return absl::string_view(
        v1::GuestSpec::Machine_Name(guest_.spec().machine()));
  }
  if (path == "spec.vcpu_count") {
    return int64_t{guest_.spec().vcpu_count()};
  }
  if (path == "spec.memory_bytes") {
    return int64_t{guest_.spec().memory_bytes()};
  }
  if (path == "create_time") {
    return TimeValue(guest_.has_create_time(), guest_.create_time());
  }
  if (path == "start_time") {
    return TimeValue(guest_.has_start_time(), guest_.start_time());
  }
  if (absl::ConsumePrefix(&path, "labels.")) {
    const auto label = guest_.labels().find(std::string(path));
    if (label != guest_.labels().end()) {
      return absl::string_view(label->second);
    }
  }
  return std::monostate();
}

FieldValue EventFields::Get(absl::string_view path) const {
  if (path == "host") return absl::string_view(event_.host());
  if (path == "type") return absl::string_view(event_.type());
  if (path == "guest") return absl::string_view(event_.guest());
  if (path == "guest_uid") return absl::string_view(event_.guest_uid());
  if (path == "owner") return absl::string_view(event_.owner());
  if (path == "operation") return absl::string_view(event_.operation());
  if (path == "caller") return absl::string_view(event_.caller());
  return std::monostate();
}

}  // namespace innkeeper
