#include "server/hosts/grpc_agent_client.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/principal.h"
#include "base/status_macros.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "rpc/callback_threads.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"
#include "server/hosts/inventory_reader.h"
#include "server/hosts/serial_relay.h"

namespace innkeeper {
namespace {

struct UnaryCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  Completion<std::string> done;
};

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AgentClient>> GrpcAgentClient::Create(
    const EnrolledHost& host, TlsOptions tls) {
  ASSIGN_OR_RETURN(tls.expected.principal,
                   Principal::Parse(absl::StrCat("host/", host.name)));
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                   MakeChannel(host.address, tls));
  KeepCallbackThreads();
  return absl::WrapUnique<AgentClient>(
      new GrpcAgentClient(host.name, std::move(channel)));
}

GrpcAgentClient::GrpcAgentClient(std::string host,
                                 std::shared_ptr<grpc::Channel> channel)
    : host_(std::move(host)),
      channel_(std::move(channel)),
      generic_(std::make_shared<grpc::GenericStub>(channel_)),
      inventory_(agent::v1::Inventory::NewStub(channel_)),
      consoles_(v1::Consoles::NewStub(channel_)) {}

void GrpcAgentClient::Call(const std::string& method, std::string request,
                           const std::optional<Delegation>& delegation,
                           absl::Duration timeout,
                           Completion<std::string> done) {
  auto call = std::make_shared<UnaryCall>();
  SetTimeout(&call->context, timeout);
  if (delegation.has_value()) {
    Delegation bounded = *delegation;
    bounded.deadline = std::min(bounded.deadline, absl::Now() + timeout);
    SetDelegation(&call->context, bounded);
  }
  const grpc::Slice slice(request);
  call->request = grpc::ByteBuffer(&slice, 1);
  call->done = std::move(done);
  generic_->UnaryCall(&call->context, absl::StrCat("/", method), {},
                      &call->request, &call->response,
                      [call, stub = generic_](const grpc::Status& status) {
                        if (!status.ok()) {
                          return call->done(FromGrpcStatus(status));
                        }
                        call->done(ToString(call->response));
                      });
}

std::unique_ptr<AgentClient::Subscription> GrpcAgentClient::WatchInventory(
    InventoryHandler handler) {
  return ReadInventory(inventory_, std::move(handler));
}

void GrpcAgentClient::AttachSerial(const v1::AttachSerialRequest& first,
                                   const Delegation& delegation,
                                   std::shared_ptr<Console> stream) {
  RelaySerial(consoles_, host_, first, delegation, std::move(stream));
}

}  // namespace innkeeper
