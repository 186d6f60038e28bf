#include "rpc/request_field.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"

namespace innkeeper {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The fields along `path`; empty if it does not lead to a single string.
std::vector<const FieldDescriptor*> Resolve(const Descriptor* type,
                                            absl::string_view path) {
  std::vector<const FieldDescriptor*> fields;
  for (absl::string_view name : absl::StrSplit(path, '.')) {
    const FieldDescriptor* field =
        type == nullptr ? nullptr : type->FindFieldByName(std::string(name));
    if (field == nullptr || field->is_repeated()) return {};
    fields.push_back(field);
    // Null for a field that is no message: nothing may follow it.
    type = field->message_type();
  }
  if (fields.back()->type() != FieldDescriptor::TYPE_STRING) return {};
  return fields;
}

}  // namespace

std::string StringField(const Message& message, absl::string_view path) {
  std::vector<const FieldDescriptor*> fields =
      Resolve(message.GetDescriptor(), path);
  if (fields.empty()) return "";
  const FieldDescriptor* last = fields.back();
  fields.pop_back();
  const Message* at = &message;
  for (const FieldDescriptor* field : fields) {
    at = &at->GetReflection()->GetMessage(*at, field);
  }
  return at->GetReflection()->GetString(*at, last);
}

bool HasStringField(const Descriptor* type, absl::string_view path) {
  return !Resolve(type, path).empty();
}

}  // namespace innkeeper
