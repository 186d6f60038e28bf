#include "rpc/validator.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "google/api/field_behavior.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/field_rules.h"
#include "rpc/text.h"

namespace innkeeper {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxFaults = 100;
constexpr int kMaxDepth = 32;

bool Behaves(const FieldDescriptor* field, google::api::FieldBehavior wanted) {
  const auto& options = field->options();
  const int count = options.ExtensionSize(google::api::field_behavior);
  for (int i = 0; i < count; ++i) {
    if (options.GetExtension(google::api::field_behavior, i) == wanted) {
      return true;
    }
  }
  return false;
}

// Walks one request.
class Walk {
 public:
  explicit Walk(Validator::Presence presence) : presence_(presence) {}

  void Check(const Message& message, const std::string& path, int depth) {
    if (depth > kMaxDepth) {
      Add(path, absl::StrCat("is nested more than ", kMaxDepth, " deep"));
      return;
    }
    const Descriptor* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count() && !full(); ++i) {
      const FieldDescriptor* field = type->field(i);
      // What clients do not set is not read either.
      if (Behaves(field, google::api::OUTPUT_ONLY) ||
          Behaves(field, google::api::IDENTIFIER)) {
        continue;
      }
      CheckField(
          message, field,
          path.empty() ? field->name() : absl::StrCat(path, ".", field->name()),
          depth);
    }
    if (type == v1::GuestSpec::descriptor() && !full()) {
      CheckSpec(static_cast<const v1::GuestSpec&>(message), path);
    }
  }

  absl::Status Result() && {
    if (faults_.empty()) return absl::OkStatus();
    std::string text =
        absl::StrCat(faults_[0].field, " ", faults_[0].description);
    if (faults_.size() > 1) {
      absl::StrAppend(&text, " (and ", faults_.size() - 1, " more)");
    }
    Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                absl::StrCat("the request has faults: ", text));
    for (const FieldViolation& fault : faults_) {
      error.Field(fault.field, fault.description);
    }
    return error;
  }

 private:
  bool full() const { return faults_.size() >= kMaxFaults; }
  void Add(absl::string_view field, absl::string_view description) {
    if (full()) return;
    faults_.push_back({CleanText(field, 256), CleanText(description, 512)});
  }
  void AddIf(absl::string_view field, const std::optional<std::string>& fault) {
    if (fault.has_value()) Add(field, *fault);
  }

  void CheckField(const Message& message, const FieldDescriptor* field,
                  const std::string& path, int depth) {
    const Reflection* reflection = message.GetReflection();
    if (field->is_repeated()) {
      CheckRepeated(message, field, path, depth);
      return;
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (reflection->HasField(message, field)) {
        CheckMessage(reflection->GetMessage(message, field), field, path,
                     depth);
      } else if (MustBeThere(field)) {
        Add(path, "is required");
      }
      return;
    }
    // Without presence of its own a field with its default value is absent.
    if (!reflection->HasField(message, field)) {
      if (MustBeThere(field)) Add(path, "is required");
      return;
    }
    CheckScalar(message, field, path);
  }

  void CheckRepeated(const Message& message, const FieldDescriptor* field,
                     const std::string& path, int depth) {
    const Reflection* reflection = message.GetReflection();
    const int size = reflection->FieldSize(message, field);
    if (size == 0 && MustBeThere(field)) Add(path, "is required");
    if (size > MaxElements(field)) {
      Add(path, absl::StrCat("must have at most ", MaxElements(field),
                             " elements, not ", size));
      return;
    }
    if (field->is_map()) {
      CheckMap(message, field, path);
      return;
    }
    for (int i = 0; i < size && !full(); ++i) {
      const std::string at = absl::StrCat(path, "[", i, "]");
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        CheckMessage(reflection->GetRepeatedMessage(message, field, i), field,
                     at, depth);
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        AddIf(at, CheckString(
                      field, reflection->GetRepeatedString(message, field, i)));
      }
    }
  }

  // Maps of strings are all that the API has; sorted, so that the answer does
  // not depend on chance.
  void CheckMap(const Message& message, const FieldDescriptor* field,
                const std::string& path) {
    const Reflection* reflection = message.GetReflection();
    const FieldDescriptor* key = field->message_type()->map_key();
    const FieldDescriptor* value = field->message_type()->map_value();
    if (key->cpp_type() != FieldDescriptor::CPPTYPE_STRING ||
        value->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      return;
    }
    std::map<std::string, std::string> entries;
    const int size = reflection->FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      const Message& entry = reflection->GetRepeatedMessage(message, field, i);
      entries[entry.GetReflection()->GetString(entry, key)] =
          entry.GetReflection()->GetString(entry, value);
    }
    for (const auto& [name, text] : entries) {
      AddIf(absl::StrCat(path, "[\"", absl::CHexEscape(name.substr(0, 63)),
                         "\"]"),
            CheckMapEntry(field, name, text));
    }
  }

  void CheckMessage(const Message& message, const FieldDescriptor* field,
                    const std::string& path, int depth) {
    if (message.GetDescriptor() == google::protobuf::Duration::descriptor()) {
      const auto& duration =
          static_cast<const google::protobuf::Duration&>(message);
      AddIf(path, CheckDuration(field, duration.seconds(), duration.nanos()));
      return;
    }
    Check(message, path, depth + 1);
  }

  void CheckScalar(const Message& message, const FieldDescriptor* field,
                   const std::string& path) {
    const Reflection* reflection = message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        AddIf(path, CheckString(field, reflection->GetStringReference(
                                           message, field, &scratch)));
        break;
      }
      case FieldDescriptor::CPPTYPE_INT32:
        AddIf(path, CheckNumber(field, reflection->GetInt32(message, field)));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        AddIf(path, CheckNumber(field, reflection->GetInt64(message, field)));
        break;
      case FieldDescriptor::CPPTYPE_ENUM: {
        const int number = reflection->GetEnumValue(message, field);
        if (field->enum_type()->FindValueByNumber(number) == nullptr) {
          Add(path, absl::StrCat("has the unknown value ", number));
        }
        break;
      }
      default:
        break;
    }
  }

  // What concerns several fields of a spec.
  void CheckSpec(const v1::GuestSpec& spec, const std::string& path) {
    if (!spec.kernel().empty()) return;
    if (!spec.initrd().empty()) Add(path + ".initrd", "needs a kernel");
    if (!spec.kernel_command_line().empty()) {
      Add(path + ".kernel_command_line", "needs a kernel");
    }
  }

  bool MustBeThere(const FieldDescriptor* field) const {
    return presence_ == Validator::Presence::kRequired &&
           Behaves(field, google::api::REQUIRED);
  }

  const Validator::Presence presence_;
  std::vector<FieldViolation> faults_;
};

}  // namespace

absl::Status Validator::Validate(const Message& request,
                                 Presence presence) const {
  Walk walk(presence);
  walk.Check(request, "", 1);
  return std::move(walk).Result();
}

bool Validator::IsResourceName(absl::string_view text) {
  return IsGuestNameText(text) || IsHostNameText(text) ||
         IsOperationNameText(text) || IsOwnerText(text);
}

}  // namespace innkeeper
