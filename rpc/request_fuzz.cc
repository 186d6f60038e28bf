// Feeds arbitrary bytes, as requests and as error details, to the validator and
// to the mapping of errors.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "innkeeper/v1/consoles.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "rpc/status_map.h"
#include "rpc/validator.h"

namespace {

template <typename Request>
void Check(const uint8_t* data, size_t size) {
  Request request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return;
  const absl::Status status = innkeeper::Validator().Validate(request);
  const grpc::Status sent = innkeeper::ToGrpcStatus(status);
  if (innkeeper::FromGrpcStatus(sent).code() != status.code()) {
    __builtin_trap();
  }
  // What travels must fit, whatever was in the request.
  if (sent.error_details().size() > 4096 ||
      sent.error_message().size() > 2048) {
    __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const uint8_t kind = data[0];
  ++data;
  --size;
  switch (kind % 5) {
    case 0:
      Check<innkeeper::v1::LaunchGuestRequest>(data, size);
      break;
    case 1:
      Check<innkeeper::v1::ListGuestsRequest>(data, size);
      break;
    case 2:
      Check<innkeeper::v1::AttachSerialRequest>(data, size);
      break;
    case 3:
      Check<innkeeper::v1::EnrolHostRequest>(data, size);
      break;
    default:
      innkeeper::FromGrpcStatus(
          grpc::Status(grpc::INTERNAL, "x",
                       std::string(reinterpret_cast<const char*>(data), size)))
          .IgnoreError();
  }
  return 0;
}
