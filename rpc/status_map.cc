#include "rpc/status_map.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "google/rpc/error_details.pb.h"
#include "rpc/text.h"

namespace innkeeper {
namespace {

// Of the 8 KiB of metadata 512 bytes are for what is not ours. Details travel
// as base64 (4/3) and are 4,779 bytes then; that leaves this for the message,
// in which every byte but printable ASCII takes three.
constexpr size_t kWireDetailBytes = 3584;
constexpr size_t kWireMessageBytes = 2048;
constexpr size_t kWireEncodedMessageBytes = 2600;
constexpr size_t kOperationDetailBytes = size_t{64} << 10;
constexpr size_t kOperationMessageBytes = size_t{16} << 10;

// How much of an error is kept.
struct Limits {
  size_t text_bytes;
  size_t elements;
};

constexpr Limits kLimits[] = {{4096, 100}, {1024, 100}, {512, 100}, {256, 64},
                              {128, 64},   {128, 32},   {64, 32},   {64, 16},
                              {64, 8},     {32, 4},     {32, 1},    {32, 0}};

void AddErrorInfo(const ErrorDetails& details, const Limits& limits,
                  google::rpc::Status& out) {
  google::rpc::ErrorInfo info;
  info.set_reason(details.reason);
  info.set_domain(kErrorDomain);
  size_t left_out = details.metadata.size();
  for (const auto& [key, value] : details.metadata) {
    if (details.metadata.size() - left_out >= limits.elements) break;
    --left_out;
    (*info.mutable_metadata())[CleanText(key, 64)] =
        CleanText(value, limits.text_bytes);
  }
  if (left_out > 0) {
    (*info.mutable_metadata())["left_out"] = absl::StrCat(left_out);
  }
  out.add_details()->PackFrom(info);
}

void AddBadRequest(const ErrorDetails& details, const Limits& limits,
                   google::rpc::Status& out) {
  if (details.fields.empty()) return;
  google::rpc::BadRequest bad;
  const size_t count = std::min(details.fields.size(), limits.elements);
  for (size_t i = 0; i < count; ++i) {
    auto* violation = bad.add_field_violations();
    violation->set_field(CleanText(details.fields[i].field, 256));
    violation->set_description(
        CleanText(details.fields[i].description, limits.text_bytes));
  }
  if (count < details.fields.size()) {
    bad.add_field_violations()->set_description(
        absl::StrCat("and ", details.fields.size() - count, " more"));
  }
  out.add_details()->PackFrom(bad);
}

void AddPreconditions(const ErrorDetails& details, const Limits& limits,
                      google::rpc::Status& out) {
  if (details.preconditions.empty()) return;
  google::rpc::PreconditionFailure failure;
  const size_t count = std::min(details.preconditions.size(), limits.elements);
  for (size_t i = 0; i < count; ++i) {
    const PreconditionViolation& fact = details.preconditions[i];
    auto* violation = failure.add_violations();
    violation->set_type(CleanText(fact.type, 64));
    violation->set_subject(CleanText(fact.subject, 128));
    violation->set_description(CleanText(fact.description, limits.text_bytes));
  }
  if (count < details.preconditions.size()) {
    failure.add_violations()->set_description(
        absl::StrCat("and ", details.preconditions.size() - count, " more"));
  }
  out.add_details()->PackFrom(failure);
}

void AddResourceInfo(absl::StatusCode code, const ErrorDetails& details,
                     google::rpc::Status& out) {
  if (code != absl::StatusCode::kNotFound &&
      code != absl::StatusCode::kAlreadyExists) {
    return;
  }
  constexpr std::pair<const char*, const char*> kTypes[] = {
      {"guest", "innkeeper.dev/Guest"},
      {"host", "innkeeper.dev/Host"},
      {"operation", "google.longrunning.Operation"}};
  for (const auto& [key, type] : kTypes) {
    const auto it = details.metadata.find(key);
    if (it == details.metadata.end()) continue;
    google::rpc::ResourceInfo info;
    info.set_resource_type(type);
    info.set_resource_name(CleanText(it->second, 128));
    out.add_details()->PackFrom(info);
    return;
  }
}

google::rpc::Status Pack(absl::StatusCode code, const std::string& message,
                         const ErrorDetails& details, const Limits& limits) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(code));
  out.set_message(message);
  AddErrorInfo(details, limits, out);
  AddBadRequest(details, limits, out);
  AddPreconditions(details, limits, out);
  if (details.retry_after.has_value()) {
    google::rpc::RetryInfo retry;
    const int64_t nanos = absl::ToInt64Nanoseconds(*details.retry_after);
    retry.mutable_retry_delay()->set_seconds(nanos / 1000000000);
    retry.mutable_retry_delay()->set_nanos(
        static_cast<int32_t>(nanos % 1000000000));
    out.add_details()->PackFrom(retry);
  }
  AddResourceInfo(code, details, out);
  return out;
}

// `status` as at most `detail_bytes`, cut evenly where it is longer.
google::rpc::Status Encode(const absl::Status& status, size_t message_bytes,
                           size_t detail_bytes) {
  if (status.ok()) return google::rpc::Status();
  ErrorDetails details = DetailsOf(status);
  absl::StatusCode code = status.code();
  if (details.reason.empty()) {
    LogError("error.without_reason", {{"code", absl::StatusCodeToString(code)},
                                      {"message", status.message()}});
    code = absl::StatusCode::kInternal;
    details.reason = std::string(reason::kInternal);
  }
  const std::string message = CleanText(status.message(), message_bytes);
  google::rpc::Status out;
  for (const Limits& limits : kLimits) {
    out = Pack(code, message, details, limits);
    if (out.ByteSizeLong() <= detail_bytes + message.size()) break;
  }
  return out;
}

// The length of `message` as gRPC sends it, percent-encoded.
size_t EncodedLength(absl::string_view message) {
  size_t length = 0;
  for (const char c : message) {
    length += c >= 0x20 && c < 0x7f && c != '%' ? 1 : 3;
  }
  return length;
}

// What `any` holds, if it is a Detail.
template <typename Detail>
bool Unpack(const google::protobuf::Any& any, Detail* detail) {
  return any.Is<Detail>() && any.UnpackTo(detail);
}

absl::StatusCode CodeOf(int code) {
  const bool known = code > 0 && code <= 16;
  return known ? static_cast<absl::StatusCode>(code)
               : absl::StatusCode::kUnknown;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  size_t message_bytes = kWireMessageBytes;
  if (EncodedLength(status.message()) > kWireEncodedMessageBytes) {
    message_bytes = kWireEncodedMessageBytes / 3;
  }
  google::rpc::Status out = Encode(status, message_bytes, kWireDetailBytes);
  const std::string message = std::move(*out.mutable_message());
  out.clear_message();  // It travels once.
  return grpc::Status(static_cast<grpc::StatusCode>(out.code()), message,
                      out.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) details.Clear();
  // The code and the message of the call itself are what counts.
  details.set_code(status.error_code());
  details.set_message(status.error_message());
  return FromRpcStatus(details);
}

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  return Encode(status, kOperationMessageBytes, kOperationDetailBytes);
}

absl::Status FromRpcStatus(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  ErrorDetails details;
  for (const google::protobuf::Any& any : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::PreconditionFailure failure;
    google::rpc::RetryInfo retry;
    if (Unpack(any, &info)) {
      details.reason = info.reason();
      for (const auto& [key, value] : info.metadata()) {
        details.metadata[key] = value;
      }
    } else if (Unpack(any, &bad)) {
      for (const auto& violation : bad.field_violations()) {
        details.fields.push_back({violation.field(), violation.description()});
      }
    } else if (Unpack(any, &failure)) {
      for (const auto& violation : failure.violations()) {
        details.preconditions.push_back(
            {violation.type(), violation.subject(), violation.description()});
      }
    } else if (Unpack(any, &retry)) {
      details.retry_after = absl::Seconds(retry.retry_delay().seconds()) +
                            absl::Nanoseconds(retry.retry_delay().nanos());
    }
  }
  return MakeStatus(CodeOf(status.code()), status.message(), details);
}

}  // namespace innkeeper
