// The gate's gRPC reactors: they tie gRPC's side of a call to ours.
#ifndef INNKEEPER_RPC_GATE_REACTORS_H_
#define INNKEEPER_RPC_GATE_REACTORS_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "rpc/bidi_stream.h"
#include "rpc/gate_core.h"
#include "rpc/live_call.h"
#include "rpc/stream_core.h"
#include "rpc/stream_writer.h"

namespace innkeeper {

// Parses `bytes` as `message`. False if they are not one.
bool ParseBytes(const grpc::ByteBuffer& bytes,
                google::protobuf::Message* message);
// INVALID_ARGUMENT: the request is not what its method takes.
absl::Status UnreadableRequest();

// The method of a call, or "" if it was refused before that was known.
inline absl::string_view MethodOf(
    const absl::StatusOr<GateCore::Admission>& admission) {
  return admission.ok() ? absl::string_view(admission->info.method) : "";
}

// A unary call that is answered later. Thread-safe.
class AsyncUnaryCall final : public LiveCall {
 public:
  AsyncUnaryCall(GateCore* gate, grpc::CallbackServerContext* context,
                 grpc::ServerUnaryReactor* reactor, std::string method)
      : gate_(gate),
        context_(context),
        reactor_(reactor),
        method_(std::move(method)) {
    gate_->Begin();
  }

  // True for the first caller only, who must Answer().
  bool Claim() ABSL_LOCKS_EXCLUDED(mutex_);
  void Answer(const absl::Status& status);

  void Abort(const absl::Status& status) override;
  void Tick(absl::Time now) override;

 private:
  GateCore* const gate_;
  // Both are valid until Answer().
  grpc::CallbackServerContext* const context_;
  grpc::ServerUnaryReactor* const reactor_;
  const std::string method_;
  absl::Mutex mutex_;
  bool claimed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Deletes itself when gRPC is done with it.
template <typename Response>
class WriteReactor final : public grpc::ServerWriteReactor<Response>,
                           private StreamCore::Wire {
 public:
  WriteReactor(const GateCore* gate, grpc::CallbackServerContext* context)
      : gate_(gate),
        context_(context),
        stream_(std::make_shared<StreamWriter<Response>>(
            static_cast<StreamCore::Wire*>(this))) {}

  void SetMethod(absl::string_view method) { method_ = std::string(method); }
  const std::shared_ptr<StreamWriter<Response>>& stream() const {
    return stream_;
  }

 private:
  void OnWriteDone(bool ok) override { stream_->OnWriteDone(ok); }
  void OnCancel() override { stream_->OnCancelled(); }
  void OnDone() override {
    stream_->OnDone();
    delete this;
  }

  void StartWriteOf(const void* message) override {
    this->StartWrite(static_cast<const Response*>(message));
  }
  void FinishWith(const absl::Status& status) override {
    this->Finish(gate_->Answer(method_, status));
  }
  void StartReadOf() override {}
  void CancelCall() override { context_->TryCancel(); }

  const GateCore* const gate_;
  grpc::CallbackServerContext* const context_;
  std::string method_;
  const std::shared_ptr<StreamWriter<Response>> stream_;
};

// Deletes itself when gRPC is done with it.
template <typename Request, typename Response>
class BidiReactor final : public grpc::ServerBidiReactor<Request, Response>,
                          private StreamCore::Wire {
 public:
  using Stream = BidiStream<Request, Response>;
  using Core = absl::AnyInvocable<absl::Status(
      const GateCore::Admission&, const Request&, std::shared_ptr<Stream>)>;

  BidiReactor(GateCore* gate, grpc::CallbackServerContext* context, Core core)
      : gate_(gate),
        context_(context),
        core_(std::move(core)),
        stream_(
            std::make_shared<Stream>(static_cast<StreamCore::Wire*>(this))) {}

  // Waits for the first message, but not for ever.
  void Start() {
    gate_->TrackUnidentified(stream_);
    this->StartRead(&message_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (core_) {
      OnFirst(ok);
    } else if (!ok) {
      stream_->OnReadEnd();
    } else if (absl::Status checked = gate_->CheckMessage(message_);
               !checked.ok()) {
      stream_->Abort(checked);
    } else {
      stream_->OnRead(std::exchange(message_, Request()));
    }
  }
  void OnFirst(bool ok) {
    Core core = std::exchange(core_, nullptr);
    if (!ok) {
      stream_->Finish(UnreadableRequest());
      return;
    }
    const Request first = std::exchange(message_, Request());
    const absl::StatusOr<GateCore::Admission> admission =
        gate_->Admit(*context_, first, GateCore::Kind::kBidi);
    method_ = std::string(MethodOf(admission));
    absl::Status status = admission.status();
    if (status.ok()) {
      gate_->Track(stream_, *admission, GateCore::Kind::kBidi);
      status = core(*admission, first, stream_);
    }
    if (!status.ok()) stream_->Finish(status);
  }
  void OnWriteDone(bool ok) override { stream_->OnWriteDone(ok); }
  void OnCancel() override { stream_->OnCancelled(); }
  void OnDone() override {
    stream_->OnWireDone();
    delete this;
  }

  void StartWriteOf(const void* message) override {
    this->StartWrite(static_cast<const Response*>(message));
  }
  void FinishWith(const absl::Status& status) override {
    this->Finish(gate_->Answer(method_, status));
  }
  void StartReadOf() override { this->StartRead(&message_); }
  void CancelCall() override { context_->TryCancel(); }

  GateCore* const gate_;
  grpc::CallbackServerContext* const context_;
  // Null once the first message was seen.
  Core core_;
  std::string method_;
  Request message_;
  const std::shared_ptr<Stream> stream_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_GATE_REACTORS_H_
