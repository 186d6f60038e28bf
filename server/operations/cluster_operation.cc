#include "server/operations/cluster_operation.h"

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/reason.h"
#include "server/operations/operation_storage.pb.h"

namespace innkeeper {
namespace {

using server::storage::StoredOperation;
using server::storage::StoredStatus;

StoredStatus ToStored(const absl::Status& status) {
  StoredStatus stored;
  stored.set_code(static_cast<int>(status.code()));
  stored.set_message(std::string(status.message()));
  status.ForEachPayload(
      [&stored](absl::string_view type_url, const absl::Cord& value) {
        auto* payload = stored.add_payloads();
        payload->set_type_url(std::string(type_url));
        payload->set_value(std::string(value));
      });
  return stored;
}

absl::Status FromStored(const StoredStatus& stored) {
  absl::Status status(static_cast<absl::StatusCode>(stored.code()),
                      stored.message());
  for (const auto& payload : stored.payloads()) {
    status.SetPayload(payload.type_url(), absl::Cord(payload.value()));
  }
  return status;
}

}  // namespace

std::string SerializeOperation(const ClusterOperation& operation) {
  StoredOperation stored;
  stored.set_name(operation.name);
  stored.set_method(operation.method);
  stored.set_caller(operation.caller);
  stored.set_delegate(operation.delegate);
  stored.set_guest(operation.guest);
  stored.set_guest_uid(operation.guest_uid);
  stored.set_owner(operation.owner);
  stored.set_host(operation.host);
  stored.set_step(operation.step);
  stored.set_request(operation.request);
  stored.set_cancel_requested(operation.cancel_requested);
  stored.set_done(operation.done);
  stored.set_response(operation.response);
  if (!operation.error.ok()) {
    *stored.mutable_error() = ToStored(operation.error);
  }
  stored.set_create_unix_us(absl::ToUnixMicros(operation.create_time));
  stored.set_update_unix_us(absl::ToUnixMicros(operation.update_time));
  stored.set_done_unix_us(absl::ToUnixMicros(operation.done_time));
  stored.set_update_id(operation.update_id);
  return stored.SerializeAsString();
}

absl::StatusOr<ClusterOperation> ParseOperation(const KeyValue& kv) {
  StoredOperation stored;
  if (!stored.ParseFromString(kv.value) || stored.name().empty()) {
    return Error(absl::StatusCode::kDataLoss, reason::kInternal,
                 absl::StrCat("the value of store key '",
                              absl::CHexEscape(kv.key), "' is no operation"))
        .With("key", kv.key);
  }
  ClusterOperation operation;
  operation.name = stored.name();
  operation.method = stored.method();
  operation.caller = stored.caller();
  operation.delegate = stored.delegate();
  operation.guest = stored.guest();
  operation.guest_uid = stored.guest_uid();
  operation.owner = stored.owner();
  operation.host = stored.host();
  operation.step = stored.step();
  operation.request = stored.request();
  operation.cancel_requested = stored.cancel_requested();
  operation.done = stored.done();
  operation.response = stored.response();
  if (stored.has_error()) operation.error = FromStored(stored.error());
  operation.create_time = absl::FromUnixMicros(stored.create_unix_us());
  operation.update_time = absl::FromUnixMicros(stored.update_unix_us());
  operation.done_time = absl::FromUnixMicros(stored.done_unix_us());
  operation.update_id = stored.update_id();
  operation.mod_revision = kv.mod_revision;
  return operation;
}

}  // namespace innkeeper
