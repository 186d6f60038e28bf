#include "server/service/host_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/completion.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/host_view.h"
#include "server/service/host_row.h"

namespace innkeeper {
namespace {

using google::protobuf::Empty;

constexpr char kList[] = "innkeeper.v1.Hosts/ListHosts";

// Runs `work` on a worker, for it waits for the disk.
template <typename Response, typename Work>
void OnWorker(Executor& executor, Completion<Response> done, Work work) {
  auto answer = std::make_shared<Completion<Response>>(std::move(done));
  const absl::Status submitted = executor.Submit(
      [answer, work = std::move(work)]() mutable { (*answer)(work()); });
  if (!submitted.ok()) (*answer)(submitted);
}

// Which contexts there are is for those who administer the host; all others
// list those that they may use.
void HideContexts(const Permit& permit, v1::Host* host) {
  if (!permit.Administers(host->name())) host->clear_contexts();
}

}  // namespace

HostService::HostService(Gate* gate, Executor* executor, Inventory* inventory,
                         HostAdmin* admin, const PageTokenSealer* sealer)
    : gate_(*gate),
      executor_(*executor),
      inventory_(*inventory),
      admin_(*admin),
      query_(HostFieldSchema(), sealer) {}

grpc::ServerUnaryReactor* HostService::GetHost(
    grpc::CallbackServerContext* context, const v1::GetHostRequest* request,
    v1::Host* response) {
  return gate_.Unary(context, request, response,
                     [&](const Permit& permit) -> absl::StatusOr<v1::Host> {
                       const std::string id = HostId(request->name());
                       std::optional<v1::Host> host = inventory_.FindHost(id);
                       if (!host.has_value()) return HostNotFoundError(id);
                       HideContexts(permit, &*host);
                       return *std::move(host);
                     });
}

grpc::ServerUnaryReactor* HostService::ListHosts(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return gate_.RawUnary<v1::ListHostsRequest>(
      context, request, response,
      [&](const Permit& permit, const v1::ListHostsRequest& parsed) {
        ListArguments arguments;
        arguments.request = &parsed;
        arguments.method = kList;
        std::vector<v1::Host> hosts = inventory_.Hosts();
        for (v1::Host& host : hosts) HideContexts(permit, &host);
        const ListSnapshot snapshot(MakeHostRows(std::move(hosts)));
        return query_.Run(arguments, permit, snapshot);
      });
}

grpc::ServerUnaryReactor* HostService::CordonHost(
    grpc::CallbackServerContext* context, const v1::CordonHostRequest* request,
    v1::Host* response) {
  return gate_.UnaryAsync(context, request, response,
                          [&](const Permit& permit, Completion<v1::Host> done) {
                            OnWorker(executor_, std::move(done),
                                     [this, permit, name = request->name()] {
                                       absl::StatusOr<v1::Host> host =
                                           admin_.SetCordon(permit.caller(),
                                                            name, true);
                                       if (host.ok())
                                         HideContexts(permit, &*host);
                                       return host;
                                     });
                          });
}

grpc::ServerUnaryReactor* HostService::UncordonHost(
    grpc::CallbackServerContext* context,
    const v1::UncordonHostRequest* request, v1::Host* response) {
  return gate_.UnaryAsync(context, request, response,
                          [&](const Permit& permit, Completion<v1::Host> done) {
                            OnWorker(executor_, std::move(done),
                                     [this, permit, name = request->name()] {
                                       absl::StatusOr<v1::Host> host =
                                           admin_.SetCordon(permit.caller(),
                                                            name, false);
                                       if (host.ok())
                                         HideContexts(permit, &*host);
                                       return host;
                                     });
                          });
}

grpc::ServerUnaryReactor* HostService::RemoveHost(
    grpc::CallbackServerContext* context, const v1::RemoveHostRequest* request,
    Empty* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<Empty> done) {
        OnWorker(executor_, std::move(done),
                 [this, caller = permit.caller(),
                  request = *request]() -> absl::StatusOr<Empty> {
                   const absl::Status removed =
                       admin_.Remove(caller, request.name(), request.force());
                   if (!removed.ok()) return removed;
                   return Empty();
                 });
      });
}

grpc::ServerUnaryReactor* HostService::CreateEnrolmentToken(
    grpc::CallbackServerContext* context,
    const v1::CreateEnrolmentTokenRequest* request,
    v1::CreateEnrolmentTokenResponse* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit&, Completion<v1::CreateEnrolmentTokenResponse> done) {
        OnWorker(executor_, std::move(done), [this, request = *request] {
          return admin_.CreateToken(request);
        });
      });
}

grpc::ServerUnaryReactor* HostService::EnrolHost(
    grpc::CallbackServerContext* context, const v1::EnrolHostRequest* request,
    v1::EnrolHostResponse* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<v1::EnrolHostResponse> done) {
        OnWorker(executor_, std::move(done),
                 [this, caller = permit.caller(), request = *request] {
                   return admin_.Enrol(caller, request);
                 });
      });
}

}  // namespace innkeeper
