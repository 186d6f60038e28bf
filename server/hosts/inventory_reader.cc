#include "server/hosts/inventory_reader.h"

#include <memory>
#include <utility>

#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

using agent::v1::WatchInventoryRequest;
using agent::v1::WatchInventoryResponse;

// Deletes itself when the stream is over. The context is shared with the
// subscription, which may outlive it.
class Reader final : public grpc::ClientReadReactor<WatchInventoryResponse> {
 public:
  Reader(std::shared_ptr<agent::v1::Inventory::Stub> stub,
         std::shared_ptr<grpc::ClientContext> context,
         AgentClient::InventoryHandler handler)
      : stub_(std::move(stub)),
        context_(std::move(context)),
        handler_(std::move(handler)) {}

  void Start() {
    stub_->async()->WatchInventory(context_.get(), &request_, this);
    StartRead(&message_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    handler_.on_message(std::move(message_));
    message_.Clear();
    StartRead(&message_);
  }

  void OnDone(const grpc::Status& status) override {
    const auto handler = std::move(handler_);
    delete this;
    handler.on_end(FromGrpcStatus(status));
  }

 private:
  const std::shared_ptr<agent::v1::Inventory::Stub> stub_;
  const std::shared_ptr<grpc::ClientContext> context_;
  const WatchInventoryRequest request_;
  AgentClient::InventoryHandler handler_;
  WatchInventoryResponse message_;
};

class ContextSubscription final : public AgentClient::Subscription {
 public:
  explicit ContextSubscription(std::shared_ptr<grpc::ClientContext> context)
      : context_(std::move(context)) {}
  ~ContextSubscription() override { context_->TryCancel(); }

 private:
  const std::shared_ptr<grpc::ClientContext> context_;
};

}  // namespace

std::unique_ptr<AgentClient::Subscription> ReadInventory(
    std::shared_ptr<agent::v1::Inventory::Stub> stub,
    AgentClient::InventoryHandler handler) {
  auto context = std::make_shared<grpc::ClientContext>();
  (new Reader(std::move(stub), context, std::move(handler)))->Start();
  return std::make_unique<ContextSubscription>(std::move(context));
}

}  // namespace innkeeper
