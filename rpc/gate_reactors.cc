#include "rpc/gate_reactors.h"

#include "base/error.h"
#include "base/reason.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace innkeeper {

bool ParseBytes(const grpc::ByteBuffer& bytes,
                google::protobuf::Message* message) {
  grpc::ByteBuffer copy(bytes);  // Shares the bytes; reading consumes it.
  grpc::ProtoBufferReader reader(&copy);
  return reader.status().ok() && message->ParseFromZeroCopyStream(&reader);
}

absl::Status UnreadableRequest() {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               "the request is missing or is not what this method takes");
}

bool AsyncUnaryCall::Claim() {
  absl::MutexLock lock(&mutex_);
  return !std::exchange(claimed_, true);
}

void AsyncUnaryCall::Answer(const absl::Status& status) {
  reactor_->Finish(gate_->Answer(method_, status));
  gate_->End();
}

void AsyncUnaryCall::Abort(const absl::Status& status) {
  if (Claim()) Answer(status);
}

void AsyncUnaryCall::Tick(absl::Time) {
  {
    absl::MutexLock lock(&mutex_);
    // Under the lock, because the context goes with the answer.
    if (claimed_ || !context_->IsCancelled()) return;
  }
  Abort(Error(absl::StatusCode::kCancelled, reason::kOperationCancelled,
              "the client went away"));
}

}  // namespace innkeeper
