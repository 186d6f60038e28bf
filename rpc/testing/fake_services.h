// Services of the API with the least behaviour that tests of the gate need.
// Testonly.
#ifndef INNKEEPER_RPC_TESTING_FAKE_SERVICES_H_
#define INNKEEPER_RPC_TESTING_FAKE_SERVICES_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Counts the handlers that were reached and keeps what they were given.
class FakeGuests final : public v1::Guests::WithRawCallbackMethod_ListGuests<
                             v1::Guests::CallbackService> {
 public:
  using Writer = StreamWriter<v1::WatchGuestsResponse>;
  using Operation = google::longrunning::Operation;

  explicit FakeGuests(Gate* gate) : gate_(gate) {}

  grpc::ServerUnaryReactor* GetGuest(grpc::CallbackServerContext* context,
                                     const v1::GetGuestRequest* request,
                                     v1::Guest* response) override {
    return gate_->Unary(
        context, request, response,
        [&](const Permit& permit,
            const CallInfo& info) -> absl::StatusOr<v1::Guest> {
          Note(permit, info);
          v1::Guest guest;
          guest.set_name(request->name());
          guest.set_requested_by(permit.caller().principal.ToString());
          return guest;
        });
  }

  grpc::ServerUnaryReactor* ListGuests(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override {
    return gate_->RawUnary<v1::ListGuestsRequest>(
        context, request, response,
        [&](const Permit& permit, const CallInfo& info,
            const v1::ListGuestsRequest&) -> absl::StatusOr<grpc::ByteBuffer> {
          Note(permit, info);
          v1::ListGuestsResponse list;
          list.add_guests()->set_name("guests/web");
          const std::string bytes = list.SerializeAsString();
          grpc::Slice slice(bytes);
          return grpc::ByteBuffer(&slice, 1);
        });
  }

  grpc::ServerUnaryReactor* LaunchGuest(grpc::CallbackServerContext* context,
                                        const v1::LaunchGuestRequest* request,
                                        Operation* response) override {
    return gate_->Unary(context, request, response,
                        [&](const Permit& permit,
                            const CallInfo& info) -> absl::StatusOr<Operation> {
                          Note(permit, info);
                          return Operation();
                        });
  }

  // Answered by Complete(), or never.
  grpc::ServerUnaryReactor* StopGuest(grpc::CallbackServerContext* context,
                                      const v1::StopGuestRequest* request,
                                      Operation* response) override {
    return gate_->UnaryAsync(context, request, response,
                             [&](const Permit& permit, const CallInfo& info,
                                 Completion<Operation> done) {
                               Note(permit, info);
                               absl::MutexLock lock(&mutex_);
                               pending_.push_back(std::move(done));
                             });
  }

  grpc::ServerWriteReactor<v1::WatchGuestsResponse>* WatchGuests(
      grpc::CallbackServerContext* context,
      const v1::WatchGuestsRequest* request) override {
    return gate_->ServerStream<v1::WatchGuestsResponse>(
        context, request,
        [&](const Permit& permit, const CallInfo& info,
            std::shared_ptr<Writer> writer) {
          Note(permit, info);
          writer->SetCancelHandler([this] { ++cancelled_; });
          absl::MutexLock lock(&mutex_);
          writers_.push_back(std::move(writer));
          return absl::OkStatus();
        });
  }

  int reached() const { return reached_; }
  int cancelled() const { return cancelled_; }
  CallInfo last_info() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return last_info_;
  }
  // Waits for the call, at most 10 s.
  Completion<Operation> TakePending() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !pending_.empty();
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10))) {
      return nullptr;
    }
    Completion<Operation> done = std::move(pending_.back());
    pending_.pop_back();
    return done;
  }
  std::shared_ptr<Writer> TakeWriter() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !writers_.empty();
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10))) {
      return nullptr;
    }
    std::shared_ptr<Writer> writer = std::move(writers_.back());
    writers_.pop_back();
    return writer;
  }

 private:
  void Note(const Permit&, const CallInfo& info) ABSL_LOCKS_EXCLUDED(mutex_) {
    ++reached_;
    absl::MutexLock lock(&mutex_);
    last_info_ = info;
  }

  Gate* const gate_;
  std::atomic<int> reached_{0};
  std::atomic<int> cancelled_{0};
  mutable absl::Mutex mutex_;
  CallInfo last_info_ ABSL_GUARDED_BY(mutex_);
  std::vector<Completion<Operation>> pending_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Writer>> writers_ ABSL_GUARDED_BY(mutex_);
};

// Sends back what it reads; ends when the client does.
class EchoConsoles final : public v1::Consoles::CallbackService {
 public:
  using Stream = BidiStream<v1::AttachSerialRequest, v1::AttachSerialResponse>;

  explicit EchoConsoles(Gate* gate) : gate_(gate) {}

  grpc::ServerBidiReactor<v1::AttachSerialRequest, v1::AttachSerialResponse>*
  AttachSerial(grpc::CallbackServerContext* context) override {
    return gate_->Bidi<v1::AttachSerialRequest, v1::AttachSerialResponse>(
        context,
        [](const Permit&, const v1::AttachSerialRequest& first,
           std::shared_ptr<Stream> stream) -> absl::Status {
          v1::AttachSerialResponse hello;
          hello.set_output("hello from " + first.name());
          stream->Write(hello);
          stream->SetReadHandler(
              [stream](const v1::AttachSerialRequest& request) {
                v1::AttachSerialResponse echo;
                echo.set_output(request.input());
                stream->Write(echo);
              },
              [stream] { stream->Finish(absl::OkStatus()); });
          return absl::OkStatus();
        });
  }

 private:
  Gate* const gate_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_TESTING_FAKE_SERVICES_H_
