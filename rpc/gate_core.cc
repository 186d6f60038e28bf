#include "rpc/gate_core.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "auth/certificate.h"
#include "auth/delegation.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "rpc/request_field.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kSweepInterval = absl::Seconds(1);

absl::Status Unauthenticated(absl::string_view message) {
  return Error(absl::StatusCode::kUnauthenticated, reason::kUnauthenticated,
               message);
}

absl::Status ShuttingDown() {
  return Error(absl::StatusCode::kUnavailable, reason::kShuttingDown,
               "the service is stopping; try again")
      .RetryAfter(absl::Seconds(1));
}

absl::StatusOr<std::optional<Delegation>> ReadDelegation(
    const grpc::CallbackServerContext& context, const Identity& peer) {
  const auto [begin, end] =
      context.client_metadata().equal_range(kDelegationKey);
  if (begin == end) return std::nullopt;
  const PrincipalKind kind = peer.principal.kind();
  if (kind != PrincipalKind::kServer && kind != PrincipalKind::kGateway) {
    return Error(absl::StatusCode::kPermissionDenied,
                 reason::kDelegationRefused,
                 absl::StrCat(peer.principal.ToString(),
                              " may not call for somebody else"))
        .With("caller", peer.principal.ToString())
        .Build();
  }
  if (std::next(begin) != end) {
    return Error(absl::StatusCode::kPermissionDenied,
                 reason::kDelegationRefused,
                 "the call carries more than one delegation")
        .Build();
  }
  ASSIGN_OR_RETURN(Delegation delegation,
                   ParseDelegation(absl::string_view(begin->second.data(),
                                                     begin->second.size())));
  return delegation;
}

// What a deny list can know of somebody without a certificate.
Certificate NameOnly(const Principal& principal) {
  return Certificate{principal, "", "", absl::InfinitePast(),
                     absl::InfiniteFuture()};
}

// The name of what `request` acts on; empty for a collection, and for a name
// that the validator will refuse.
std::string ResourceOf(const google::protobuf::Message& request,
                       const AccessRule& rule, const Principal& caller) {
  if (rule.resource_field.empty()) return "";
  std::string name = StringField(request, rule.resource_field);
  if (name.empty() && absl::EndsWith(rule.resource_field, "owner") &&
      caller.kind() == PrincipalKind::kUser) {
    // Without an owner the caller is it.
    return caller.ToString();
  }
  return Validator::IsResourceName(name) ? name : "";
}

}  // namespace

GateCore::GateCore(Options options) : options_(std::move(options)) {
  if (options_.timers != nullptr) {
    options_.timers->Post([this] { Arm(); });
  }
}

GateCore::~GateCore() {
  if (options_.timers != nullptr) {
    options_.timers->PostAndWait([this] { options_.timers->Cancel(timer_); });
  }
}

void GateCore::Arm() {
  timer_ = options_.timers->After(kSweepInterval, [this] {
    Sweep();
    Arm();
  });
}

absl::StatusOr<GateCore::Admission> GateCore::Admit(
    const grpc::CallbackServerContext& context,
    const google::protobuf::Message& request, Kind kind) {
  {
    absl::MutexLock lock(&mutex_);
    if (draining_) return ShuttingDown();
  }
  const AccessRule* rule =
      options_.access->Find(request.GetDescriptor(), kind != Kind::kUnary);
  if (rule == nullptr) {
    return Error(absl::StatusCode::kInternal, reason::kInternal,
                 absl::StrCat("no access rule for ",
                              request.GetDescriptor()->full_name()));
  }
  GateDecision decision;
  decision.method = rule->method;
  decision.access_class = rule->access_class;
  absl::StatusOr<Admission> admission =
      Decide(context, request, *rule, decision);
  decision.outcome = admission.status();
  const bool denied = absl::IsUnauthenticated(decision.outcome) ||
                      absl::IsPermissionDenied(decision.outcome) ||
                      absl::IsNotFound(decision.outcome);
  if (options_.audit && (denied || rule->access_class != AccessClass::kA)) {
    options_.audit(decision);
  }
  return admission;
}

absl::StatusOr<GateCore::Admission> GateCore::Decide(
    const grpc::CallbackServerContext& context,
    const google::protobuf::Message& request, const AccessRule& rule,
    GateDecision& decision) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<const VerifiedPeer> peer,
                   Identify(context));
  decision.caller = peer->identity.principal.ToString();
  decision.address = peer->identity.address;
  RETURN_IF_ERROR(CheckWelcome(*peer, std::nullopt));
  ASSIGN_OR_RETURN(std::optional<Delegation> delegation,
                   ReadDelegation(context, peer->identity));

  Identity caller = peer->identity;
  std::optional<Principal> delegate;
  if (delegation.has_value()) {
    RETURN_IF_ERROR(CheckWelcome(*peer, delegation->caller));
    caller = ForwardedIdentity(delegation->caller, peer->identity);
    delegate = peer->identity.principal;
    decision.caller = delegation->caller.ToString();
    decision.delegate = delegate->ToString();
  }

  decision.resource = ResourceOf(request, rule, caller.principal);
  ASSIGN_OR_RETURN(Permit permit,
                   options_.authorizer->Authorize(
                       caller, std::move(delegate), rule.permission,
                       decision.resource, options_.resolver));
  RETURN_IF_ERROR(validator_.Validate(request));
  return Admission{std::move(permit),
                   MakeInfo(context, rule, std::move(delegation)), peer};
}

absl::StatusOr<std::shared_ptr<const VerifiedPeer>> GateCore::Identify(
    const grpc::CallbackServerContext& context) const {
  const std::shared_ptr<Connection> connection =
      options_.connections->Find(context.peer());
  if (connection == nullptr) {
    return Unauthenticated("the call did not come through the acceptor");
  }
  absl::StatusOr<std::shared_ptr<const VerifiedPeer>> peer =
      connection->GetPeer([&] { return Verify(*connection, context); });
  if (peer.ok()) connection->pace().OnCall();
  return peer;
}

absl::StatusOr<VerifiedPeer> GateCore::Verify(
    const Connection& connection,
    const grpc::CallbackServerContext& context) const {
  if (connection.unix_peer().has_value()) {
    if (!options_.identify_local) {
      return Unauthenticated("local callers are not let in here");
    }
    ASSIGN_OR_RETURN(Identity identity,
                     options_.identify_local(connection.unix_peer()->uid,
                                             connection.address()));
    return VerifiedPeer{std::move(identity), std::nullopt};
  }
  const std::vector<grpc::string_ref> leaf =
      context.auth_context()->FindPropertyValues("x509_pem_cert");
  if (leaf.size() != 1) {
    return Unauthenticated("the caller shows no certificate");
  }
  ASSIGN_OR_RETURN(
      Certificate certificate,
      ParseCertificate(absl::string_view(leaf[0].data(), leaf[0].size()),
                       options_.trust_domain));
  Identity identity{certificate.principal, false, certificate.fingerprint,
                    certificate.expire_time, connection.address()};
  return VerifiedPeer{std::move(identity), std::move(certificate)};
}

absl::Status GateCore::CheckWelcome(
    const VerifiedPeer& peer, const std::optional<Principal>& caller) const {
  if (peer.identity.expire_time <= options_.clock->Now()) {
    const std::string name = peer.identity.principal.ToString();
    return Error(absl::StatusCode::kUnauthenticated,
                 reason::kCertificateRefused,
                 absl::StrCat("the certificate of ", name,
                              " has expired; renew it and connect again"))
        .With("caller", name);
  }
  if (options_.deny_list == nullptr) return absl::OkStatus();
  // A caller that is not the peer is denied by name only.
  if (caller.has_value()) {
    return options_.deny_list->Check(NameOnly(*caller));
  }
  return options_.deny_list->Check(peer.certificate.has_value()
                                       ? *peer.certificate
                                       : NameOnly(peer.identity.principal));
}

CallInfo GateCore::MakeInfo(const grpc::CallbackServerContext& context,
                            const AccessRule& rule,
                            std::optional<Delegation> delegation) const {
  const absl::Time now = options_.clock->Now();
  CallInfo info;
  info.method = rule.method;
  // By what is left of it, because the clock may be a test's.
  absl::Duration left = options_.default_deadline;
  if (context.deadline() != std::chrono::system_clock::time_point::max()) {
    left = std::min(absl::FromChrono(context.deadline()) - absl::Now(),
                    options_.max_deadline);
  }
  info.deadline = now + left;
  if (delegation.has_value()) {
    info.deadline = std::min(info.deadline, delegation->deadline);
  }
  info.delegation = std::move(delegation);
  return info;
}

absl::Status GateCore::CheckMessage(
    const google::protobuf::Message& message) const {
  return validator_.Validate(message, Validator::Presence::kOptional);
}

grpc::Status GateCore::Answer(absl::string_view method,
                              const absl::Status& status) const {
  if (absl::IsInternal(status)) {
    LogError("call.failed", {{"method", method}, {"error", status.message()}});
  }
  return ToGrpcStatus(status);
}

void GateCore::Track(std::weak_ptr<LiveCall> call, const Admission& admission,
                     Kind kind) {
  Tracked tracked{call, admission.peer, std::nullopt, admission.info.deadline,
                  kind};
  if (admission.permit.delegate().has_value()) {
    tracked.caller = admission.permit.caller().principal;
  }
  absl::MutexLock lock(&mutex_);
  if (kind == Kind::kBidi) {
    for (Tracked& old : tracked_) {
      // Neither owner comes before the other: they are the same call.
      if (!old.call.owner_before(call) && !call.owner_before(old.call)) {
        old = std::move(tracked);
        return;
      }
    }
  }
  tracked_.push_back(std::move(tracked));
}

void GateCore::TrackUnidentified(std::weak_ptr<LiveCall> call) {
  absl::MutexLock lock(&mutex_);
  tracked_.push_back({std::move(call), nullptr, std::nullopt,
                      options_.clock->Now() + kFirstMessage, Kind::kUnary});
}

void GateCore::Sweep() {
  const absl::Time now = options_.clock->Now();
  std::vector<Tracked> live;
  {
    absl::MutexLock lock(&mutex_);
    tracked_.erase(
        std::remove_if(tracked_.begin(), tracked_.end(),
                       [](const Tracked& t) { return t.call.expired(); }),
        tracked_.end());
    live = tracked_;
  }
  for (const Tracked& tracked : live) {
    const std::shared_ptr<LiveCall> call = tracked.call.lock();
    if (call == nullptr) continue;
    absl::Status status;
    if (tracked.kind == Kind::kUnary && now >= tracked.deadline) {
      status =
          Error(absl::StatusCode::kDeadlineExceeded, reason::kDeadlineExceeded,
                "the call did not end in time; it may still happen");
    }
    // A unary call was checked when it came, and ends soon.
    if (tracked.kind != Kind::kUnary) {
      status = CheckWelcome(*tracked.peer, std::nullopt);
      if (status.ok() && tracked.caller.has_value()) {
        status = CheckWelcome(*tracked.peer, tracked.caller);
      }
    }
    if (!status.ok()) call->Abort(status);
    call->Tick(now);
  }
}

void GateCore::Drain() {
  std::vector<Tracked> live;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    live = tracked_;
  }
  for (const Tracked& tracked : live) {
    if (tracked.kind == Kind::kUnary) continue;
    const std::shared_ptr<LiveCall> call = tracked.call.lock();
    if (call != nullptr) call->Abort(ShuttingDown());
  }
}

void GateCore::AwaitAnswers(absl::Duration limit) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(
      absl::Condition(
          +[](int* unanswered) { return *unanswered == 0; }, &unanswered_),
      limit);
}

void GateCore::Begin() {
  absl::MutexLock lock(&mutex_);
  ++unanswered_;
}

void GateCore::End() {
  absl::MutexLock lock(&mutex_);
  --unanswered_;
}

size_t GateCore::tracked() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<size_t>(
      std::count_if(tracked_.begin(), tracked_.end(),
                    [](const Tracked& t) { return !t.call.expired(); }));
}

}  // namespace innkeeper
