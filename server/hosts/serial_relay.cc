#include "server/hosts/serial_relay.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

using v1::AttachSerialRequest;
using v1::AttachSerialResponse;

// Keeps itself alive until the agent's stream is over.
class Relay final
    : public grpc::ClientBidiReactor<AttachSerialRequest, AttachSerialResponse>,
      public std::enable_shared_from_this<Relay> {
 public:
  Relay(std::shared_ptr<v1::Consoles::Stub> stub, std::string host,
        std::shared_ptr<AgentClient::Console> stream)
      : stub_(std::move(stub)),
        host_(std::move(host)),
        stream_(std::move(stream)) {}

  void Start(const AttachSerialRequest& first, const Delegation& delegation) {
    self_ = shared_from_this();
    writing_ = true;
    sent_ = first;
    SetDelegation(&context_, delegation);
    stub_->async()->AttachSerial(&context_, this);
    // Writes come from the client's side too, whenever it types: the stream
    // must not end under them.
    AddHold();
    StartWrite(&sent_);
    StartRead(&received_);
    const std::weak_ptr<Relay> weak = self_;
    stream_->SetCancelHandler([weak] {
      if (const auto relay = weak.lock()) relay->OnClientGone();
    });
    stream_->SetDrainHandler([weak] {
      if (const auto relay = weak.lock()) relay->OnClientDrained();
    });
    stream_->SetReadHandler(
        [weak](AttachSerialRequest typed) {
          if (const auto relay = weak.lock()) relay->OnTyped(std::move(typed));
        },
        [weak] {
          if (const auto relay = weak.lock()) relay->OnHalfClose();
        });
    // Last: from here on the agent's side calls back, and resumes reads.
    StartCall();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) closed_ = true;
      WriteNext();
      if (writing_ || closed_) return;
    }
    stream_->ResumeReads();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // The agent is done. Without the hold its status arrives in OnDone.
      absl::MutexLock lock(&mutex_);
      closed_ = true;
      DropHold();
      return;
    }
    if (!stream_->Write(std::move(received_))) return context_.TryCancel();
    received_.Clear();
    {
      absl::MutexLock lock(&mutex_);
      waiting_ = !stream_->WritePermitted();
      if (waiting_) return;
    }
    StartRead(&received_);
  }

  void OnDone(const grpc::Status& status) override {
    stream_->Finish(ToHostError(host_, FromGrpcStatus(status)));
    const std::shared_ptr<Relay> last = std::move(self_);
  }

 private:
  void OnClientGone() { context_.TryCancel(); }

  void OnClientDrained() {
    {
      absl::MutexLock lock(&mutex_);
      if (!waiting_) return;
      waiting_ = false;
    }
    StartRead(&received_);
  }

  void OnTyped(AttachSerialRequest typed) {
    absl::MutexLock lock(&mutex_);
    next_ = std::move(typed);
    stream_->PauseReads();
    WriteNext();
  }

  void OnHalfClose() {
    absl::MutexLock lock(&mutex_);
    half_closed_ = true;
    WriteNext();
  }

  void DropHold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!held_) return;
    held_ = false;
    RemoveHold();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || closed_) return;
    if (next_.has_value()) {
      sent_ = *std::move(next_);
      next_.reset();
      writing_ = true;
      StartWrite(&sent_);
    } else if (half_closed_) {
      closed_ = true;
      StartWritesDone();
    }
  }

  const std::shared_ptr<v1::Consoles::Stub> stub_;
  const std::string host_;
  const std::shared_ptr<AgentClient::Console> stream_;
  grpc::ClientContext context_;
  std::shared_ptr<Relay> self_;
  AttachSerialResponse received_;

  absl::Mutex mutex_;
  AttachSerialRequest sent_;
  std::optional<AttachSerialRequest> next_ ABSL_GUARDED_BY(mutex_);
  bool writing_ = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Nothing more is to be written.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool held_ ABSL_GUARDED_BY(mutex_) = true;
  // Until the client has read what is there.
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

void RelaySerial(std::shared_ptr<v1::Consoles::Stub> stub,
                 const std::string& host, const v1::AttachSerialRequest& first,
                 const Delegation& delegation,
                 std::shared_ptr<AgentClient::Console> stream) {
  std::make_shared<Relay>(std::move(stub), host, std::move(stream))
      ->Start(first, delegation);
}

}  // namespace innkeeper
