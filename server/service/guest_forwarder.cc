#include "server/service/guest_forwarder.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "server/hosts/host_directory.h"
#include "server/inventory/host_view.h"
#include "server/service/operation_view.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

constexpr absl::Duration kMaxTimeout = absl::Seconds(60);

// Asks the host of `route` for the caller.
template <typename Response>
void CallFor(const Permit& permit, const CallInfo& info,
             const GuestRoute& route, const google::protobuf::Message& request,
             Completion<Response> done) {
  const Delegation delegation{permit.caller().principal, "",
                              route.row->guest.uid(), route.fencing_number};
  const absl::Duration timeout =
      std::min(kMaxTimeout, info.deadline - absl::Now());
  CallAgent<Response>(*route.client, info.method, request, delegation, timeout,
                      [host = route.host, done = std::move(done)](
                          absl::StatusOr<Response> answer) mutable {
                        if (!answer.ok())
                          return done(ToHostError(host, answer.status()));
                        done(std::move(answer));
                      });
}

}  // namespace

struct GuestForwarder::Task {
  RequestKey key;
  ClusterOperation operation;
  Completion<Operation> done;
};

absl::StatusOr<Operation> AnswerOf(
    const absl::StatusOr<ClusterOperation>& operation) {
  if (!operation.ok()) return operation.status();
  return ToOperation(*operation);
}

absl::StatusOr<GuestRoute> GuestForwarder::Route(
    const std::string& name) const {
  GuestRoute route;
  route.row = parts_.inventory->table().Find(name);
  if (route.row == nullptr) {
    return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
                 absl::StrCat("guest '", absl::StripPrefix(name, "guests/"),
                              "' does not exist"))
        .With("guest", name)
        .Build();
  }
  route.host = HostId(route.row->guest.host());
  RETURN_IF_ERROR(parts_.inventory->CheckReachable(route.host));
  route.client = parts_.inventory->FindClient(route.host);
  // It may have been removed between the two.
  if (route.client == nullptr) return HostNotFoundError(route.host);
  route.fencing_number = parts_.inventory->FencingNumber(route.host);
  route.name = route.row->reported_name;
  return route;
}

void GuestForwarder::CallHost(const Permit& permit, const CallInfo& info,
                              const GuestRoute& route,
                              const google::protobuf::Message& request,
                              Completion<v1::Guest> done) {
  CallFor<v1::Guest>(permit, info, route, request,
                     [row = route.row, done = std::move(done)](
                         absl::StatusOr<v1::Guest> guest) mutable {
                       if (!guest.ok()) return done(guest.status());
                       guest->set_name(row->guest.name());
                       guest->set_host(row->guest.host());
                       done(std::move(guest));
                     });
}

void GuestForwarder::ForwardSecurity(const Permit& permit, const CallInfo& info,
                                     const v1::GetGuestSecurityRequest& request,
                                     Completion<v1::GuestSecurity> done) {
  const absl::StatusOr<GuestRoute> route = Route(request.name());
  if (!route.ok()) return done(route.status());
  v1::GetGuestSecurityRequest forwarded;
  forwarded.set_name(route->name);
  CallFor<v1::GuestSecurity>(
      permit, info, *route, forwarded,
      [row = route->row, done = std::move(done)](
          absl::StatusOr<v1::GuestSecurity> security) mutable {
        if (!security.ok()) return done(security.status());
        security->set_guest(row->guest.name());
        security->set_host(row->guest.host());
        done(std::move(security));
      });
}

void GuestForwarder::LookBack(RequestKey key, const absl::Status& refusal,
                              Completion<Operation> done) {
  if (key.request_id.empty()) return done(refusal);
  // What the request did may be why it is refused now: a guest that it deleted
  // is not there.
  auto answer = std::make_shared<Completion<Operation>>(std::move(done));
  const absl::Status submitted =
      parts_.executor->Submit([this, key = std::move(key), refusal, answer] {
        const absl::StatusOr<RequestSlot> slot = parts_.ledger->Find(key);
        if (!slot.ok()) return (*answer)(slot.status());
        if (!slot->answer.has_value()) return (*answer)(refusal);
        (*answer)(AnswerOf(parts_.operations->Load(slot->answer->operation)));
      });
  if (!submitted.ok()) (*answer)(submitted);
}

void GuestForwarder::Begin(const Permit& permit, RequestKey key,
                           const GuestRoute& route, std::string bytes,
                           Completion<Operation> done) {
  const v1::Guest& guest = route.row->guest;
  auto task = std::make_shared<Task>();
  task->done = std::move(done);
  ClusterOperation& operation = task->operation;
  operation.name = absl::StrCat("operations/", MakeUuid());
  operation.method = key.method;
  operation.caller = key.caller;
  if (permit.delegate().has_value()) {
    operation.delegate = permit.delegate()->ToString();
  }
  operation.guest = std::string(absl::StripPrefix(guest.name(), "guests/"));
  operation.guest_uid = guest.uid();
  operation.owner = guest.owner();
  operation.host = route.host;
  operation.step = "recorded";
  operation.request = std::move(bytes);
  task->key = std::move(key);
  const absl::Status submitted =
      parts_.executor->Submit([this, task] { Record(task); });
  if (!submitted.ok()) task->done(submitted);
}

void GuestForwarder::Record(const std::shared_ptr<Task>& task) {
  const absl::StatusOr<RequestSlot> slot = parts_.ledger->Find(task->key);
  if (!slot.ok()) return task->done(slot.status());
  if (slot->answer.has_value()) {
    return task->done(
        AnswerOf(parts_.operations->Load(slot->answer->operation)));
  }
  const std::string name = task->operation.name;
  const absl::StatusOr<TxnResult> started = parts_.operations->Start(
      task->operation, parts_.ledger->MakeEntry(task->key, *slot, {name, ""}));
  if (!started.ok()) return task->done(started.status());
  // Another try of the same request was faster; the ledger has its answer.
  if (!started->committed) return Record(task);
  INNKEEPER_FAILPOINT("server.verb.recorded");
  parts_.runner->Run(name, [this, task, name](const absl::Status& accepted) {
    if (!accepted.ok()) return task->done(accepted);
    const OperationManager::Entry now = parts_.operations->Find(name);
    task->done(AnswerOf(now == nullptr ? absl::StatusOr<ClusterOperation>(
                                             absl::NotFoundError(name))
                                       : *now));
  });
}

}  // namespace innkeeper
