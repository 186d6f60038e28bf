#include "rpc/callback_threads.h"

#include <chrono>
#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

struct Call {
  explicit Call(std::shared_ptr<grpc::Channel> way)
      : channel(std::move(way)), stub(channel) {}

  std::shared_ptr<grpc::Channel> channel;
  grpc::GenericStub stub;
  grpc::ClientContext context;
  const grpc::Slice nothing;
  grpc::ByteBuffer request = grpc::ByteBuffer(&nothing, 1);
  grpc::ByteBuffer response;
};

// Lets go of a channel inside of its own callback.
void DropChannelInCallback(absl::Notification* dropped) {
  auto call = std::make_shared<Call>(grpc::CreateChannel(
      "unix:/dev/null", grpc::InsecureChannelCredentials()));
  call->context.set_deadline(std::chrono::system_clock::time_point());
  Call* const started = call.get();
  started->stub.UnaryCall(
      &started->context, "/innkeeper.None/None", {}, &started->request,
      &started->response,
      [call = std::move(call), dropped](const grpc::Status&) mutable {
        call = nullptr;
        dropped->Notify();
      });
}

TEST(KeepCallbackThreadsTest, LastChannelMayGoInsideOfItsCallback) {
  KeepCallbackThreads();

  for (int i = 0; i < 20; ++i) {
    absl::Notification dropped;
    DropChannelInCallback(&dropped);
    ASSERT_TRUE(dropped.WaitForNotificationWithTimeout(absl::Seconds(10)));
  }
}

TEST(KeepCallbackThreadsTest, RepeatingItChangesNothing) {
  KeepCallbackThreads();
  KeepCallbackThreads();

  absl::Notification dropped;
  DropChannelInCallback(&dropped);
  EXPECT_TRUE(dropped.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

}  // namespace
}  // namespace innkeeper
