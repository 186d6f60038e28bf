// The part of the gate that does not depend on the types of a method.
#ifndef INNKEEPER_RPC_GATE_CORE_H_
#define INNKEEPER_RPC_GATE_CORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "auth/authorizer.h"
#include "auth/deny_list.h"
#include "auth/identity.h"
#include "auth/permit.h"
#include "auth/principal.h"
#include "auth/resource.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "rpc/access_table.h"
#include "rpc/call_info.h"
#include "rpc/connection_table.h"
#include "rpc/live_call.h"
#include "rpc/validator.h"
#include "rpc/verified_peer.h"

namespace innkeeper {

// One decision of the gate, for the audit log.
struct GateDecision {
  std::string method;
  std::string caller;    // A principal; empty if there was none.
  std::string delegate;  // The principal that passed the call on, if any.
  std::string address;
  std::string resource;
  AccessClass access_class = AccessClass::kA;
  // OK: the handler was let run.
  absl::Status outcome;
};

// Thread-safe. Must outlive every call that goes through it.
class GateCore {
 public:
  struct Options {
    // All must outlive the gate.
    const AccessTable* access = nullptr;
    const Authorizer* authorizer = nullptr;
    // Null: every named resource is absent.
    const ResourceResolver* resolver = nullptr;
    const ConnectionTable* connections = nullptr;
    const Clock* clock = Clock::Real();

    // Whose certificates are taken. Those who come with one were verified in
    // the handshake.
    std::string trust_domain;
    // Looked at for each call, and about once a second for each stream. Null:
    // nobody is denied.
    std::shared_ptr<const DenyList> deny_list;
    // The identity of a local process by the user id that the kernel attests.
    // Empty: nobody is let in that way.
    std::function<absl::StatusOr<Identity>(uint32_t uid,
                                           absl::string_view address)>
        identify_local;
    // Called for each denial and for each call of class B or C that was let
    // in. Must not block for long. May be empty.
    std::function<void(const GateDecision&)> audit;

    // For a call without a deadline, and the most that one may ask for. Streams
    // have no end of their own.
    absl::Duration default_deadline = absl::Seconds(60);
    absl::Duration max_deadline = absl::Hours(1);
    // Runs Sweep() every second if given. Must outlive the gate.
    EventLoop* timers = nullptr;
  };

  enum class Kind { kUnary, kServerStream, kBidi };

  // A call that may go on.
  struct Admission {
    Permit permit;
    CallInfo info;
    // Who holds the connection: the caller itself, or who passed the call on.
    std::shared_ptr<const VerifiedPeer> peer;
  };

  explicit GateCore(Options options);
  ~GateCore();
  GateCore(const GateCore&) = delete;
  GateCore& operator=(const GateCore&) = delete;

  // Everything between a call's arrival and its handler: the method's rule, the
  // caller's identity and its expiry, delegation, permission, then the request
  // itself. In this order, so that nobody learns more than they may.
  //   UNAUTHENTICATED: no identity, or it has expired or was revoked.
  //   PERMISSION_DENIED: no role covers the method; delegation is refused.
  //   NOT_FOUND: the resource is absent, or not for the caller.
  //   INVALID_ARGUMENT: the request has faults; all are named.
  //   UNAVAILABLE (SHUTTING_DOWN): after Drain().
  absl::StatusOr<Admission> Admit(const grpc::CallbackServerContext& context,
                                  const google::protobuf::Message& request,
                                  Kind kind);

  // Checks a later message of a stream from the client; required fields may be
  // absent in it.
  absl::Status CheckMessage(const google::protobuf::Message& message) const;

  // What the client is told: with ErrorInfo, always. Logs errors that are ours.
  grpc::Status Answer(absl::string_view method,
                      const absl::Status& status) const;

  // Watches over a call until it is destroyed: ends it when its deadline is
  // over (unary calls only), its peer's certificate expires or is revoked, or
  // Drain() is called.
  void Track(std::weak_ptr<LiveCall> call, const Admission& admission,
             Kind kind) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same for a stream whose first message is still to come, for which it
  // gets kFirstMessage. Track() takes its place.
  void TrackUnidentified(std::weak_ptr<LiveCall> call)
      ABSL_LOCKS_EXCLUDED(mutex_);
  static constexpr absl::Duration kFirstMessage = absl::Seconds(10);

  // Looks at every tracked call. Normally once a second by Options.timers.
  void Sweep() ABSL_LOCKS_EXCLUDED(mutex_);

  // Refuses new calls and ends every stream with UNAVAILABLE (SHUTTING_DOWN).
  // Unary calls may go on.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until every unary call has its answer, at most `limit` (real time).
  void AwaitAnswers(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mutex_);

  // For AsyncUnaryCall: once for each of them when it begins, and when its
  // answer was given to gRPC.
  void Begin() ABSL_LOCKS_EXCLUDED(mutex_);
  void End() ABSL_LOCKS_EXCLUDED(mutex_);

  // Streams and unary calls under way; for tests and metrics.
  size_t tracked() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Tracked {
    std::weak_ptr<LiveCall> call;
    std::shared_ptr<const VerifiedPeer> peer;
    // Who the call is for, if not the peer.
    std::optional<Principal> caller;
    absl::Time deadline;
    Kind kind;
  };

  absl::StatusOr<std::shared_ptr<const VerifiedPeer>> Identify(
      const grpc::CallbackServerContext& context) const;
  absl::StatusOr<VerifiedPeer> Verify(
      const Connection& connection,
      const grpc::CallbackServerContext& context) const;
  // Whether the peer, and whoever it calls for, are still welcome.
  absl::Status CheckWelcome(const VerifiedPeer& peer,
                            const std::optional<Principal>& caller) const;
  absl::StatusOr<Admission> Decide(const grpc::CallbackServerContext& context,
                                   const google::protobuf::Message& request,
                                   const AccessRule& rule,
                                   GateDecision& decision) const;
  CallInfo MakeInfo(const grpc::CallbackServerContext& context,
                    const AccessRule& rule,
                    std::optional<Delegation> delegation) const;
  void Arm();

  const Options options_;
  const Validator validator_{};
  // A leaf lock.
  mutable absl::Mutex mutex_;
  std::vector<Tracked> tracked_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // Unary calls without an answer.
  int unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  // Used on the loop's thread only.
  EventLoop::TimerId timer_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_GATE_CORE_H_
