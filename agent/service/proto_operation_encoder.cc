#include "agent/service/proto_operation_encoder.h"

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/service/convert.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/empty.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/status_map.h"
#include "rpc/timestamp.h"

namespace innkeeper {
namespace {

std::string Pack(const google::protobuf::Message& message) {
  google::protobuf::Any any;
  any.PackFrom(message);
  return any.SerializeAsString();
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) +
         absl::Nanoseconds(timestamp.nanos());
}

}  // namespace

std::string ProtoOperationEncoder::Metadata(const OperationFacts& facts) const {
  v1::GuestOperationMetadata metadata;
  metadata.set_verb(facts.verb);
  metadata.set_guest(facts.guest);
  metadata.set_guest_uid(facts.guest_uid);
  metadata.set_host(host_);
  metadata.set_caller(facts.caller);
  metadata.set_step(facts.step);
  *metadata.mutable_create_time() = ToTimestamp(facts.create_time);
  if (facts.end_time != absl::InfiniteFuture()) {
    *metadata.mutable_end_time() = ToTimestamp(facts.end_time);
  }
  return Pack(metadata);
}

OperationFacts ProtoOperationEncoder::ParseMetadata(
    const std::string& bytes) const {
  OperationFacts facts;
  google::protobuf::Any any;
  v1::GuestOperationMetadata metadata;
  if (!any.ParseFromString(bytes) || !any.UnpackTo(&metadata)) return facts;
  facts.verb = metadata.verb();
  facts.guest = metadata.guest();
  facts.guest_uid = metadata.guest_uid();
  facts.caller = metadata.caller();
  facts.step = metadata.step();
  facts.create_time = FromTimestamp(metadata.create_time());
  if (metadata.has_end_time()) {
    facts.end_time = FromTimestamp(metadata.end_time());
  }
  return facts;
}

std::string ProtoOperationEncoder::Result(const GuestRecord& guest) const {
  return Pack(ToGuest(guest, host_, /*unresponsive=*/false, ""));
}

std::string ProtoOperationEncoder::EmptyResult() const {
  return Pack(google::protobuf::Empty());
}

std::string ProtoOperationEncoder::Error(const absl::Status& status) const {
  return ToRpcStatus(status).SerializeAsString();
}

}  // namespace innkeeper
