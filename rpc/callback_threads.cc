#include "rpc/callback_threads.h"

#include <chrono>
#include <memory>

#include "absl/synchronization/notification.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"

namespace innkeeper {
namespace {

// A channel that leads nowhere. It has a share in the threads once it has made
// a call with a callback: one whose time is over already.
std::shared_ptr<grpc::Channel> MakeHolder() {
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel("unix:/dev/null", grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::time_point());
  // gRPC refuses a buffer that holds no slice.
  const grpc::Slice nothing;
  grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  absl::Notification ended;
  grpc::GenericStub(channel).UnaryCall(
      &context, "/innkeeper.None/None", {}, &request, &response,
      [&ended](const grpc::Status& /*status*/) { ended.Notify(); });
  ended.WaitForNotification();
  return channel;
}

}  // namespace

void KeepCallbackThreads() {
  [[maybe_unused]] static const auto* const kHolder =
      new std::shared_ptr<grpc::Channel>(MakeHolder());
}

}  // namespace innkeeper
