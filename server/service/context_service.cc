#include "server/service/context_service.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "catalog/context_list.h"
#include "google/protobuf/empty.pb.h"
#include "server/inventory/host_view.h"
#include "server/service/host_fan_out.h"

namespace innkeeper {
namespace {

using google::protobuf::Empty;
using Made = std::vector<HostAnswer<v1::Context>>;

constexpr char kDelete[] = "innkeeper.v1.Contexts/DeleteContext";
constexpr absl::Duration kTimeout = absl::Seconds(10);

absl::Duration TimeoutOf(const CallInfo& info) {
  return std::min(kTimeout, info.deadline - absl::Now());
}

std::string HostName(absl::string_view id) {
  return absl::StrCat("hosts/", id);
}

absl::Status NoSuchContext(const std::string& name) {
  const absl::string_view id = absl::StripPrefix(name, "contexts/");
  return Error(absl::StatusCode::kNotFound, reason::kContextNotFound,
               absl::StrCat("context '", id, "' does not exist"))
      .With("context", id);
}

// Whether the host has nothing for the caller: no such context, or no role.
bool IsAbsent(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsPermissionDenied(status);
}

// Takes back what was made on the others when one host has refused.
void TakeBack(const Inventory& inventory, const Made& made,
              const Principal& caller) {
  for (const HostAnswer<v1::Context>& one : made) {
    if (!one.answer.ok()) continue;
    v1::DeleteContextRequest request;
    request.set_name(one.answer->name());
    request.set_etag(one.answer->etag());
    AskHosts<Empty>(
        inventory, {one.host}, kDelete, request, caller, kTimeout,
        [](std::vector<HostAnswer<Empty>> answers) {
          const absl::Status& status = answers[0].answer.status();
          if (status.ok()) return;
          LogWarning("context.left_over",
                     {{"host", answers[0].host}, {"error", status.message()}});
        });
  }
}

// The error that of all hosts' answers is told; OK if there is none.
template <typename Response>
absl::Status FirstError(const std::vector<HostAnswer<Response>>& answers) {
  for (const HostAnswer<Response>& one : answers) {
    if (one.answer.ok()) continue;
    return Annotate(one.answer.status(), HostName(one.host));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ContextService::HostsToChange(
    const Permit& permit, const std::string& asked) const {
  std::vector<std::string> hosts = HostsToRead(asked);
  for (const std::string& host : hosts) {
    if (permit.Administers(HostName(host))) continue;
    const std::string caller = permit.caller().principal.ToString();
    return Error(absl::StatusCode::kPermissionDenied, reason::kPermissionDenied,
                 absl::StrCat(caller, " does not administer ",
                              asked.empty() ? "every host" : asked,
                              asked.empty() ? "; name one with host"
                                            : "; ask an administrator of it"))
        .With("principal", caller)
        .With("permission", permit.permission())
        .Build();
  }
  if (!asked.empty()) {
    const absl::Status known = inventory_.CheckReachable(hosts[0]);
    if (!known.ok()) return known;
  }
  if (hosts.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kNoHostFits,
                 "no host is enrolled; enrol one first")
        .Build();
  }
  return hosts;
}

std::vector<std::string> ContextService::HostsToRead(
    const std::string& asked) const {
  if (!asked.empty()) return {HostId(asked)};
  std::vector<std::string> hosts;
  for (const v1::Host& host : inventory_.Hosts()) {
    hosts.push_back(HostId(host.name()));
  }
  return hosts;
}

grpc::ServerUnaryReactor* ContextService::CreateContext(
    grpc::CallbackServerContext* context,
    const v1::CreateContextRequest* request, v1::Context* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<v1::Context> done) {
        const absl::StatusOr<std::vector<std::string>> hosts =
            HostsToChange(permit, request->host());
        if (!hosts.ok()) return done(hosts.status());
        // Better nowhere than on some only.
        for (const std::string& host : *hosts) {
          const absl::Status reachable = inventory_.CheckReachable(host);
          if (!reachable.ok()) return done(reachable);
        }
        v1::CreateContextRequest forwarded = *request;
        forwarded.clear_host();
        const Principal caller = permit.caller().principal;
        AskHosts<v1::Context>(
            inventory_, *hosts, info.method, forwarded, caller, TimeoutOf(info),
            [this, caller, done = std::move(done)](Made made) mutable {
              const absl::Status refused = FirstError(made);
              if (!refused.ok()) {
                TakeBack(inventory_, made, caller);
                return done(refused);
              }
              v1::Context answer = *std::move(made[0].answer);
              if (made.size() > 1) answer.clear_host();
              done(std::move(answer));
            });
      });
}

grpc::ServerUnaryReactor* ContextService::GetContext(
    grpc::CallbackServerContext* context, const v1::GetContextRequest* request,
    v1::Context* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<v1::Context> done) {
        v1::GetContextRequest forwarded = *request;
        forwarded.clear_host();
        AskHosts<v1::Context>(
            inventory_, HostsToRead(request->host()), info.method, forwarded,
            permit.caller().principal, TimeoutOf(info),
            [name = request->name(), named = !request->host().empty(),
             done = std::move(done)](Made found) mutable {
              std::vector<std::string> having;
              std::vector<v1::Context> contexts;
              for (HostAnswer<v1::Context>& one : found) {
                if (!one.answer.ok()) {
                  // A host that was named and does not answer leaves it open.
                  if (named && !IsAbsent(one.answer.status())) {
                    return done(one.answer.status());
                  }
                  continue;
                }
                having.push_back(HostName(one.host));
                contexts.push_back(*std::move(one.answer));
              }
              if (contexts.empty()) return done(NoSuchContext(name));
              if (contexts.size() == 1) return done(std::move(contexts[0]));
              done(Error(
                       absl::StatusCode::kInvalidArgument,
                       reason::kInvalidRequest,
                       absl::StrCat(name, " is on several hosts (",
                                    absl::StrJoin(having, ", "), "); name one"))
                       .Field("host", "is needed: several hosts have it")
                       .Build());
            });
      });
}

grpc::ServerUnaryReactor* ContextService::ListContexts(
    grpc::CallbackServerContext* context,
    const v1::ListContextsRequest* request,
    v1::ListContextsResponse* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<v1::ListContextsResponse> done) {
        // A host has fewer than its largest page.
        AskHosts<v1::ListContextsResponse>(
            inventory_, HostsToRead(""), info.method, v1::ListContextsRequest(),
            permit.caller().principal, TimeoutOf(info),
            [this, permit, method = info.method, request = *request,
             done = std::move(done)](
                std::vector<HostAnswer<v1::ListContextsResponse>>
                    pages) mutable {
              std::vector<v1::Context> contexts;
              std::vector<std::string> unreachable;
              for (HostAnswer<v1::ListContextsResponse>& one : pages) {
                if (one.answer.ok()) {
                  for (v1::Context& found : *one.answer->mutable_contexts()) {
                    contexts.push_back(std::move(found));
                  }
                } else if (!IsAbsent(one.answer.status())) {
                  unreachable.push_back(HostName(one.host));
                }
              }
              absl::StatusOr<v1::ListContextsResponse> page = PageOfContexts(
                  sealer_, permit, method, request, std::move(contexts));
              if (page.ok()) {
                page->mutable_unreachable()->Add(unreachable.begin(),
                                                 unreachable.end());
              }
              done(std::move(page));
            });
      });
}

grpc::ServerUnaryReactor* ContextService::DeleteContext(
    grpc::CallbackServerContext* context,
    const v1::DeleteContextRequest* request, Empty* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info, Completion<Empty> done) {
        const absl::StatusOr<std::vector<std::string>> hosts =
            HostsToChange(permit, request->host());
        if (!hosts.ok()) return done(hosts.status());
        if (request->host().empty() && !request->etag().empty()) {
          return done(Error(absl::StatusCode::kInvalidArgument,
                            reason::kInvalidRequest,
                            "an etag is one host's; name the host as well")
                          .Field("host", "is needed with an etag")
                          .Build());
        }
        // One that has it and does not answer would have it again.
        std::vector<std::string> asked;
        for (const std::string& host : *hosts) {
          const absl::Status reachable = inventory_.CheckReachable(host);
          if (reachable.ok()) {
            asked.push_back(host);
            continue;
          }
          const std::optional<v1::Host> known = inventory_.FindHost(host);
          if (known.has_value() &&
              std::find(known->contexts().begin(), known->contexts().end(),
                        request->name()) != known->contexts().end()) {
            return done(reachable);
          }
        }
        v1::DeleteContextRequest forwarded = *request;
        forwarded.clear_host();
        AskHosts<Empty>(
            inventory_, asked, info.method, forwarded,
            permit.caller().principal, TimeoutOf(info),
            [name = request->name(), done = std::move(done)](
                std::vector<HostAnswer<Empty>> answers) mutable {
              bool deleted = false;
              for (const HostAnswer<Empty>& one : answers) {
                deleted = deleted || one.answer.ok();
              }
              answers.erase(
                  std::remove_if(answers.begin(), answers.end(),
                                 [](const HostAnswer<Empty>& one) {
                                   return absl::IsNotFound(one.answer.status());
                                 }),
                  answers.end());
              const absl::Status refused = FirstError(answers);
              if (!refused.ok()) return done(refused);
              if (!deleted) return done(NoSuchContext(name));
              done(Empty());
            });
      });
}

}  // namespace innkeeper
