#include "rpc/operations_view.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/uuid.h"
#include "google/protobuf/timestamp.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kPrefix = "operations/";

FieldValue ToValue(bool present, const google::protobuf::Timestamp& time) {
  if (!present) return std::monostate();
  return absl::FromUnixSeconds(time.seconds()) +
         absl::Nanoseconds(time.nanos());
}

FieldValue TextOrNone(const std::string& text) {
  if (text.empty()) return std::monostate();
  return absl::string_view(text);
}

}  // namespace

std::string ToOperationName(absl::string_view id) {
  return absl::StrCat(kPrefix, id);
}

absl::StatusOr<std::string> ParseOperationName(absl::string_view name) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, kPrefix) && IsUuid(id)) return std::string(id);
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               "name must be operations/{uuid}")
      .Field("name", "must be operations/{uuid}")
      .Build();
}

absl::Status OperationNotFound(absl::string_view name) {
  return Error(absl::StatusCode::kNotFound, reason::kOperationNotFound,
               absl::StrCat("operation '", name, "' does not exist"))
      .With("operation", name);
}

FieldSchema OperationSchema() {
  return FieldSchema({{"name", FieldType::kString, {}},
                      {"done", FieldType::kBool, {}},
                      {"verb", FieldType::kString, {}},
                      {"guest", FieldType::kString, {}},
                      {"guest_uid", FieldType::kString, {}},
                      {"host", FieldType::kString, {}},
                      {"caller", FieldType::kString, {}},
                      {"step", FieldType::kString, {}},
                      {"create_time", FieldType::kTime, {}},
                      {"end_time", FieldType::kTime, {}}});
}

OperationFields::OperationFields(
    const google::longrunning::Operation& operation)
    : name_(operation.name()), done_(operation.done()) {
  v1::GuestOperationMetadata metadata;
  if (!operation.metadata().Is<v1::GuestOperationMetadata>() ||
      !operation.metadata().UnpackTo(&metadata)) {
    return;
  }
  verb_ = metadata.verb();
  guest_ = metadata.guest();
  guest_uid_ = metadata.guest_uid();
  host_ = metadata.host();
  caller_ = metadata.caller();
  step_ = metadata.step();
  create_time_ = ToValue(metadata.has_create_time(), metadata.create_time());
  end_time_ = ToValue(metadata.has_end_time(), metadata.end_time());
}

FieldValue OperationFields::Get(absl::string_view path) const {
  if (path == "name") return absl::string_view(name_);
  if (path == "done") return done_;
  if (path == "verb") return TextOrNone(verb_);
  if (path == "guest") return TextOrNone(guest_);
  if (path == "guest_uid") return TextOrNone(guest_uid_);
  if (path == "host") return TextOrNone(host_);
  if (path == "caller") return TextOrNone(caller_);
  if (path == "step") return TextOrNone(step_);
  if (path == "create_time") return create_time_;
  if (path == "end_time") return end_time_;
  return std::monostate();
}

absl::Duration WaitTime(
    const google::longrunning::WaitOperationRequest& request, absl::Time now,
    absl::Time deadline) {
  absl::Duration wait = absl::InfiniteDuration();
  if (request.has_timeout()) {
    wait = absl::Seconds(request.timeout().seconds()) +
           absl::Nanoseconds(request.timeout().nanos());
  }
  wait = std::min(wait, deadline - now - absl::Milliseconds(500));
  return std::max(wait, absl::ZeroDuration());
}

}  // namespace innkeeper
