// The one way into a handler. A handler's body is a core: a callable that gets
// a Permit, which only the gate can have been given.
//
//   grpc::ServerUnaryReactor* GetGuest(grpc::CallbackServerContext* context,
//                                      const GetGuestRequest* request,
//                                      Guest* response) override {
//     return gate_.Unary(context, request, response,
//                        [&](const Permit& permit) -> absl::StatusOr<Guest> {
//                          return Find(permit, request->name());
//                        });
//   }
//
// A core takes `const Permit&`, or `const Permit&, const CallInfo&` where it
// needs the deadline or the delegation. See GateCore::Admit for what happens
// before it runs; a core that runs may rely on all of that.
#ifndef INNKEEPER_RPC_GATE_H_
#define INNKEEPER_RPC_GATE_H_

#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/permit.h"
#include "base/completion.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "rpc/bidi_stream.h"
#include "rpc/gate_core.h"
#include "rpc/gate_reactors.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// Thread-safe. Must outlive every call that goes through it.
class Gate {
 public:
  explicit Gate(GateCore::Options options) : core_(std::move(options)) {}

  // `core`: absl::StatusOr<Response>(const Permit&[, const CallInfo&]). It runs
  // before Unary() returns, so it may hold references; it must not wait for a
  // guest, a disk or the network.
  template <typename Request, typename Response, typename Core>
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context,
                                  const Request* request, Response* response,
                                  Core&& core) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto admission =
        core_.Admit(*context, *request, GateCore::Kind::kUnary);
    absl::Status status = admission.status();
    if (admission.ok()) {
      absl::StatusOr<Response> result = Call(core, *admission);
      status = result.status();
      if (result.ok()) *response = *std::move(result);
    }
    reactor->Finish(core_.Answer(MethodOf(admission), status));
    return reactor;
  }

  // `core`: void(const Permit&[, const CallInfo&], Completion<Response>). The
  // completion may run on any thread, exactly once; what it is told after the
  // call's deadline is dropped. `request` lives until then.
  template <typename Request, typename Response, typename Core>
  grpc::ServerUnaryReactor* UnaryAsync(grpc::CallbackServerContext* context,
                                       const Request* request,
                                       Response* response, Core&& core) {
    return UnaryAsync(context, request, response, std::forward<Core>(core),
                      [](const absl::Status& refusal) {
                        return absl::StatusOr<Response>(refusal);
                      });
  }

  // The same for a method that may succeed where there is nothing. `absent`:
  // absl::StatusOr<Response>(const absl::Status& refusal), called instead of
  // `core` where the caller is to be told that the resource is absent, whatever
  // there is for others.
  template <typename Request, typename Response, typename Core, typename Absent>
  grpc::ServerUnaryReactor* UnaryAsync(grpc::CallbackServerContext* context,
                                       const Request* request,
                                       Response* response, Core&& core,
                                       Absent&& absent) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto admission = core_.Admit(*context, *request, GateCore::Kind::kUnary);
    if (!admission.ok()) {
      absl::Status status = admission.status();
      if (absl::IsNotFound(status)) {
        absl::StatusOr<Response> result = absent(status);
        status = result.status();
        if (result.ok()) *response = *std::move(result);
      }
      reactor->Finish(core_.Answer(MethodOf(admission), status));
      return reactor;
    }
    auto call = std::make_shared<AsyncUnaryCall>(&core_, context, reactor,
                                                 admission->info.method);
    core_.Track(call, *admission, GateCore::Kind::kUnary);
    Completion<Response> done = [call,
                                 response](absl::StatusOr<Response> result) {
      if (!call->Claim()) return;
      const absl::Status status = result.status();
      if (status.ok()) *response = *std::move(result);
      call->Answer(status);
    };
    if constexpr (std::is_invocable_v<Core&, const Permit&, const CallInfo&,
                                      Completion<Response>>) {
      core(admission->permit, admission->info, std::move(done));
    } else {
      core(admission->permit, std::move(done));
    }
    return reactor;
  }

  // For a method that was marked raw (WithRawCallbackMethod_X), so that its
  // response is bytes made earlier. `core`: absl::StatusOr<grpc::ByteBuffer>(
  // const Permit&[, const CallInfo&], const Request&).
  template <typename Request, typename Core>
  grpc::ServerUnaryReactor* RawUnary(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response, Core&& core) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Request parsed;
    if (!ParseBytes(*request, &parsed)) {
      reactor->Finish(core_.Answer("", UnreadableRequest()));
      return reactor;
    }
    const auto admission =
        core_.Admit(*context, parsed, GateCore::Kind::kUnary);
    absl::Status status = admission.status();
    if (admission.ok()) {
      absl::StatusOr<grpc::ByteBuffer> result =
          Call(core, *admission, std::as_const(parsed));
      status = result.status();
      if (result.ok()) response->Swap(&*result);
    }
    reactor->Finish(core_.Answer(MethodOf(admission), status));
    return reactor;
  }

  // `core`: absl::Status(const Permit&[, const CallInfo&],
  // std::shared_ptr<StreamWriter<Response>>). It starts a producer and returns;
  // an error ends the stream with it. `request` lives only until it returns.
  template <typename Response, typename Request, typename Core>
  grpc::ServerWriteReactor<Response>* ServerStream(
      grpc::CallbackServerContext* context, const Request* request,
      Core&& core) {
    auto* reactor = new WriteReactor<Response>(&core_, context);
    auto admission =
        core_.Admit(*context, *request, GateCore::Kind::kServerStream);
    reactor->SetMethod(MethodOf(admission));
    absl::Status status = admission.status();
    if (status.ok()) {
      core_.Track(reactor->stream(), *admission, GateCore::Kind::kServerStream);
      reactor->StartSendInitialMetadata();
      status = Call(core, *admission, reactor->stream());
    }
    if (!status.ok()) reactor->stream()->Finish(status);
    return reactor;
  }

  // `core`: absl::Status(const Permit&[, const CallInfo&], const Request&
  // first, std::shared_ptr<BidiStream<Request, Response>>). The first message
  // decides whether the caller may go on; `core` runs once it is here, after
  // Bidi() has returned, so it holds no references to the handler's arguments.
  template <typename Request, typename Response, typename Core>
  grpc::ServerBidiReactor<Request, Response>* Bidi(
      grpc::CallbackServerContext* context, Core core) {
    using Stream = BidiStream<Request, Response>;
    auto* reactor = new BidiReactor<Request, Response>(
        &core_, context,
        [core = std::move(core)](const GateCore::Admission& admission,
                                 const Request& first,
                                 std::shared_ptr<Stream> stream) mutable {
          return Call(core, admission, first, std::move(stream));
        });
    reactor->Start();
    return reactor;
  }

  GateCore& core() { return core_; }

 private:
  template <typename Core, typename... Args>
  static auto Call(Core& core, const GateCore::Admission& admission,
                   Args&&... args) {
    if constexpr (std::is_invocable_v<Core&, const Permit&, const CallInfo&,
                                      Args...>) {
      return core(admission.permit, admission.info,
                  std::forward<Args>(args)...);
    } else {
      return core(admission.permit, std::forward<Args>(args)...);
    }
  }

  GateCore core_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_GATE_H_
