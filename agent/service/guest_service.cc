#include "agent/service/guest_service.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/guest/guest_name.h"
#include "agent/security/security_check.h"
#include "agent/service/context_convert.h"
#include "agent/service/convert.h"
#include "agent/service/security_convert.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "catalog/request_digest.h"
#include "google/protobuf/empty.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

// The domain's answer as the API's.
Completion<OperationRecord> AsOperation(Completion<Operation> done) {
  return
      [done = std::move(done)](absl::StatusOr<OperationRecord> record) mutable {
        if (!record.ok()) return done(record.status());
        done(ToOperation(*record));
      };
}

template <typename Request>
GuestCaller MakeCaller(const Permit& permit, const CallInfo& info,
                       const Request& request) {
  GuestCaller caller;
  caller.principal = permit.caller().principal.ToString();
  caller.method = info.method;
  if (info.delegation.has_value() && !info.delegation->operation.empty()) {
    caller.operation = absl::StrCat("operations/", info.delegation->operation);
  }
  caller.request_id = request.request_id();
  caller.body_sha256 = RequestDigest(request);
  return caller;
}

template <typename Request>
GuestCaller MakeVerbCaller(const Permit& permit, const CallInfo& info,
                           const Request& request) {
  GuestCaller caller = MakeCaller(permit, info, request);
  caller.etag = request.etag();
  return caller;
}

std::string IdOf(const std::string& name) {
  // The gate has resolved the name: it has this form.
  return ParseGuestName(name, "name").value_or("");
}

// Whether this host has every label that the launch asks of its host.
absl::Status CheckLabels(const v1::LaunchGuestRequest& request,
                         AgentView& view) {
  if (request.host_labels().empty()) return absl::OkStatus();
  const v1::Host host = view.host();
  std::set<std::string> missing;  // Sorted.
  for (const auto& [key, value] : request.host_labels()) {
    const auto label = host.labels().find(key);
    if (label == host.labels().end() || label->second != value) {
      missing.insert(absl::StrCat(key, "=", value));
    }
  }
  if (missing.empty()) return absl::OkStatus();
  Error error(absl::StatusCode::kFailedPrecondition, reason::kNoHostFits,
              absl::StrCat(host.name(), " lacks the label ",
                           absl::StrJoin(missing, ", "),
                           "; leave it out, or ask the server for a host"));
  for (const std::string& label : missing) {
    error.Precondition(reason::kNoHostFits, host.name(),
                       absl::StrCat("lacks the label ", label));
  }
  return error;
}

// All that stands in the way, as one error of the first one's kind.
absl::Status Merge(const std::vector<absl::Status>& refusals) {
  if (refusals.size() == 1) return refusals[0];
  std::vector<absl::string_view> messages;
  for (const absl::Status& refusal : refusals) {
    messages.push_back(refusal.message());
  }
  Error error(refusals[0].code(), DetailsOf(refusals[0]).reason,
              absl::StrJoin(messages, "; "));
  for (const absl::Status& refusal : refusals) {
    const ErrorDetails details = DetailsOf(refusal);
    for (const PreconditionViolation& violation : details.preconditions) {
      error.Precondition(violation.type, violation.subject,
                         violation.description);
    }
  }
  return error;
}

// Everything that `status` says against a launch.
void AddRefusals(const absl::Status& status,
                 v1::ExplainLaunchResponse* answer) {
  const ErrorDetails details = DetailsOf(status);
  for (const PreconditionViolation& refusal : details.preconditions) {
    answer->add_refusals(refusal.description);
  }
  if (details.preconditions.empty()) {
    answer->add_refusals(std::string(status.message()));
  }
}

void AddExplanation(const ExplainedLaunch& explained, const std::string& host,
                    v1::ExplainLaunchResponse* answer) {
  for (const PluginVerdict& verdict : explained.plugins) {
    auto* added = answer->add_plugins();
    added->set_plugin(verdict.plugin);
    added->set_stage(verdict.stage);
    added->set_verdict(verdict.verdict);
    for (const std::string& detail : verdict.details) {
      added->add_details(detail);
    }
  }
  for (const absl::Status& status : explained.refusals) {
    AddRefusals(status, answer);
  }
  if (!explained.refusals.empty()) return;
  const LaunchExplanation& launch = explained.launch;
  answer->set_host(host);
  for (const std::string& argument : launch.argv) answer->add_argv(argument);
  for (const ExplainedFd& fd : launch.fds) {
    auto* descriptor = answer->add_descriptors();
    descriptor->set_number(fd.number);
    descriptor->set_what(fd.what);
  }
  for (const std::string& step : launch.steps) answer->add_steps(step);
  answer->set_acceleration(
      absl::StrCat(ToString(launch.accel), ": ", launch.accel_reason));
}

// The owner that a launch without one gets, and whether the caller may make a
// guest for whom it says.
absl::StatusOr<GuestRecord> ReadLaunch(const Permit& permit,
                                       const v1::LaunchGuestRequest& request,
                                       AgentView& view,
                                       const std::string& uid) {
  const std::string& host = view.host_name();
  absl::StatusOr<GuestRecord> guest =
      ParseLaunch(request, uid, permit.caller().principal.ToString());
  if (!guest.ok()) return guest;
  ResourceAttributes attributes;
  attributes.name = ToGuestName(guest->id);
  attributes.owner = guest->owner;
  attributes.host = host;
  attributes.labels = guest->spec.labels;
  if (!permit.CanSee(attributes)) {
    return Error(absl::StatusCode::kPermissionDenied, reason::kPermissionDenied,
                 absl::StrCat(permit.caller().principal.ToString(),
                              " may not launch guests for ", guest->owner,
                              "; launch for yourself or ask an administrator "
                              "for a role"))
        .With("owner", guest->owner)
        .Build();
  }
  if (!request.host().empty() && request.host() != host) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kHostNotFound,
                 absl::StrCat("this is the agent of ", host, ", not of ",
                              request.host(), "; ask the server"))
        .With("host", request.host())
        .Build();
  }
  RETURN_IF_ERROR(CheckLabels(request, view));
  return guest;
}

}  // namespace

grpc::ServerUnaryReactor* GuestService::LaunchGuest(
    grpc::CallbackServerContext* context, const v1::LaunchGuestRequest* request,
    Operation* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<Operation> done) {
        const std::string uid =
            info.delegation.has_value() && !info.delegation->guest_uid.empty()
                ? info.delegation->guest_uid
                : MakeUuid();
        absl::StatusOr<GuestRecord> guest =
            ReadLaunch(permit, *request, view_, uid);
        if (!guest.ok()) return done(guest.status());
        const absl::Status context = contexts_.Resolve(permit, &*guest);
        if (!request->validate_only()) {
          GuestCaller caller = MakeCaller(permit, info, *request);
          caller.refusal = context;
          return supervisor_.Launch(permit, *std::move(guest),
                                    std::move(caller),
                                    AsOperation(std::move(done)));
        }
        if (!context.ok()) return done(context);
        supervisor_.Explain(
            permit, *std::move(guest),
            [host = view_.host_name(), done = std::move(done)](
                absl::StatusOr<ExplainedLaunch> explained) mutable {
              if (!explained.ok()) return done(explained.status());
              if (!explained->refusals.empty()) {
                return done(Merge(explained->refusals));
              }
              GuestRecord& guest = explained->guest;
              guest.resolved_machine_type = explained->launch.machine_type;
              guest.accel_used = explained->launch.accel;
              guest.accel_reason = explained->launch.accel_reason;
              Operation operation;
              operation.set_done(true);
              operation.mutable_response()->PackFrom(
                  ToGuest(guest, host, false, ""));
              done(std::move(operation));
            });
      });
}

grpc::ServerUnaryReactor* GuestService::GetGuest(
    grpc::CallbackServerContext* context, const v1::GetGuestRequest* request,
    v1::Guest* response) {
  return gate_.Unary(
      context, request, response,
      [&](const Permit&) -> absl::StatusOr<v1::Guest> {
        const GuestRowPtr row = view_.table().Find(request->name());
        if (row == nullptr) {
          return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
                       absl::StrCat("guest '", IdOf(request->name()),
                                    "' does not exist"))
              .Build();
        }
        return row->guest;
      });
}

grpc::ServerUnaryReactor* GuestService::ListGuests(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return gate_.RawUnary<v1::ListGuestsRequest>(
      context, request, response,
      [&](const Permit& permit, const v1::ListGuestsRequest& parsed) {
        return list_.List(permit, parsed);
      });
}

grpc::ServerWriteReactor<v1::WatchGuestsResponse>* GuestService::WatchGuests(
    grpc::CallbackServerContext* context,
    const v1::WatchGuestsRequest* request) {
  return gate_.ServerStream<v1::WatchGuestsResponse>(
      context, request,
      [&](const Permit& permit,
          std::shared_ptr<StreamWriter<v1::WatchGuestsResponse>> stream) {
        absl::StatusOr<GuestWatch> watch =
            MakeGuestWatch(permit, *request, std::move(stream));
        if (!watch.ok()) return watch.status();
        view_.watches().Start(*std::move(watch));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* GuestService::StartGuest(
    grpc::CallbackServerContext* context, const v1::StartGuestRequest* request,
    Operation* response) {
  return gate_.UnaryAsync(context, request, response,
                          [&](const Permit& permit, const CallInfo& info,
                              Completion<Operation> done) {
                            supervisor_.StartGuest(
                                permit, IdOf(request->name()),
                                MakeVerbCaller(permit, info, *request),
                                AsOperation(std::move(done)));
                          });
}

grpc::ServerUnaryReactor* GuestService::StopGuest(
    grpc::CallbackServerContext* context, const v1::StopGuestRequest* request,
    Operation* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<Operation> done) {
        StopOptions options;
        options.force = request->force();
        if (request->has_grace_period()) {
          options.grace = absl::Seconds(request->grace_period().seconds()) +
                          absl::Nanoseconds(request->grace_period().nanos());
          if (options.grace < absl::Seconds(1) ||
              options.grace > absl::Hours(1)) {
            return done(Error(absl::StatusCode::kInvalidArgument,
                              reason::kInvalidRequest,
                              "grace_period must be 1 s to 1 h")
                            .Field("grace_period", "must be 1 s to 1 h")
                            .Build());
          }
        }
        supervisor_.Stop(permit, IdOf(request->name()), options,
                         MakeVerbCaller(permit, info, *request),
                         AsOperation(std::move(done)));
      });
}

grpc::ServerUnaryReactor* GuestService::RebootGuest(
    grpc::CallbackServerContext* context, const v1::RebootGuestRequest* request,
    Operation* response) {
  return gate_.UnaryAsync(context, request, response,
                          [&](const Permit& permit, const CallInfo& info,
                              Completion<Operation> done) {
                            supervisor_.Reboot(
                                permit, IdOf(request->name()),
                                MakeVerbCaller(permit, info, *request),
                                AsOperation(std::move(done)));
                          });
}

grpc::ServerUnaryReactor* GuestService::PauseGuest(
    grpc::CallbackServerContext* context, const v1::PauseGuestRequest* request,
    v1::Guest* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<v1::Guest> done) {
        supervisor_.Pause(permit, IdOf(request->name()),
                          MakeVerbCaller(permit, info, *request),
                          [host = view_.host_name(), done = std::move(done)](
                              absl::StatusOr<GuestRecord> guest) mutable {
                            if (!guest.ok()) return done(guest.status());
                            done(ToGuest(*guest, host, false, ""));
                          });
      });
}

grpc::ServerUnaryReactor* GuestService::ResumeGuest(
    grpc::CallbackServerContext* context, const v1::ResumeGuestRequest* request,
    v1::Guest* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<v1::Guest> done) {
        supervisor_.Resume(permit, IdOf(request->name()),
                           MakeVerbCaller(permit, info, *request),
                           [host = view_.host_name(), done = std::move(done)](
                               absl::StatusOr<GuestRecord> guest) mutable {
                             if (!guest.ok()) return done(guest.status());
                             done(ToGuest(*guest, host, false, ""));
                           });
      });
}

grpc::ServerUnaryReactor* GuestService::DeleteGuest(
    grpc::CallbackServerContext* context, const v1::DeleteGuestRequest* request,
    Operation* response) {
  const auto absent =
      [allowed = request->allow_missing()](
          const absl::Status& refusal) -> absl::StatusOr<Operation> {
    if (!allowed) return refusal;
    Operation nothing;
    nothing.set_done(true);
    nothing.mutable_response()->PackFrom(google::protobuf::Empty());
    return nothing;
  };
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, const CallInfo& info,
          Completion<Operation> done) {
        supervisor_.Delete(
            permit, IdOf(request->name()),
            MakeVerbCaller(permit, info, *request),
            AsOperation([absent, done = std::move(done)](
                            absl::StatusOr<Operation> operation) mutable {
              // It went between the gate and here.
              if (absl::IsNotFound(operation.status())) {
                return done(absent(operation.status()));
              }
              done(std::move(operation));
            }));
      },
      absent);
}

grpc::ServerUnaryReactor* GuestService::ExplainLaunch(
    grpc::CallbackServerContext* context,
    const v1::ExplainLaunchRequest* request,
    v1::ExplainLaunchResponse* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<v1::ExplainLaunchResponse> done) {
        absl::StatusOr<GuestRecord> guest =
            ReadLaunch(permit, request->launch(), view_, MakeUuid());
        if (!guest.ok()) return done(guest.status());
        v1::ExplainLaunchResponse answer;
        const absl::Status context = contexts_.Resolve(permit, &*guest);
        // What cannot be had is no reason not to look at the rest.
        if (!context.ok()) AddRefusals(context, &answer);
        if (!guest->spec.effective_context.empty()) {
          *answer.mutable_effective_context() =
              ToContextSpec(guest->spec.effective_context);
        }
        supervisor_.Explain(
            permit, *std::move(guest),
            [host = view_.host_name(), answer = std::move(answer),
             done = std::move(done)](
                absl::StatusOr<ExplainedLaunch> explained) mutable {
              if (explained.ok()) {
                AddExplanation(*explained, host, &answer);
              } else {
                AddRefusals(explained.status(), &answer);
              }
              done(std::move(answer));
            });
      });
}

grpc::ServerUnaryReactor* GuestService::GetGuestSecurity(
    grpc::CallbackServerContext* context,
    const v1::GetGuestSecurityRequest* request, v1::GuestSecurity* response) {
  return gate_.UnaryAsync(
      context, request, response,
      [&](const Permit& permit, Completion<v1::GuestSecurity> done) {
        const GuestRowPtr row = view_.table().Find(request->name());
        const std::string owner = row == nullptr ? "" : row->guest.owner();
        supervisor_.ReviewSecurity(
            permit, IdOf(request->name()),
            [name = request->name(), host = view_.host_name(), owner,
             done = std::move(done)](
                absl::StatusOr<SecurityReport> report) mutable {
              if (!report.ok()) return done(report.status());
              done(ToGuestSecurity(*report, name, host, owner));
            });
      });
}

}  // namespace innkeeper
