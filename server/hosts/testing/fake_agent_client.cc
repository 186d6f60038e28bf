#include "server/hosts/testing/fake_agent_client.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace innkeeper {

using agent::v1::WatchInventoryResponse;
using google::longrunning::Operation;

class FakeAgentClient final : public AgentClient {
 public:
  explicit FakeAgentClient(FakeAgent* agent) : agent_(agent) {}

  void Call(const std::string& method, std::string request,
            const std::optional<Delegation>& delegation, absl::Duration timeout,
            Completion<std::string> done) override {
    done(agent_->Answer(method, request, delegation));
  }

  std::unique_ptr<Subscription> WatchInventory(
      InventoryHandler handler) override {
    auto stream = std::make_shared<FakeAgent::Stream>();
    stream->handler = std::move(handler);
    agent_->Start(stream);
    return std::make_unique<Subscription>();
  }

  void AttachSerial(const v1::AttachSerialRequest& first,
                    const Delegation& delegation,
                    std::shared_ptr<Console> stream) override {}

 private:
  FakeAgent* const agent_;
};

std::unique_ptr<AgentClient> FakeAgent::NewClient() {
  return std::make_unique<FakeAgentClient>(this);
}

void FakeAgent::SetUnreachable(bool unreachable) {
  std::shared_ptr<Stream> ended;
  {
    absl::MutexLock lock(&mutex_);
    unreachable_ = unreachable;
    if (unreachable) ended = std::move(stream_);
  }
  if (ended != nullptr) ended->handler.on_end(absl::UnavailableError("gone"));
}

void FakeAgent::SetLaunchError(absl::Status error) {
  absl::MutexLock lock(&mutex_);
  launch_error_ = std::move(error);
}

void FakeAgent::LoseNextAnswer() {
  absl::MutexLock lock(&mutex_);
  lose_answer_ = true;
}

void FakeAgent::SetHost(v1::Host host) {
  absl::MutexLock lock(&mutex_);
  host_ = std::move(host);
}

void FakeAgent::AddGuest(const v1::Guest& guest) {
  WatchInventoryResponse message;
  *message.mutable_guest() = guest;
  {
    absl::MutexLock lock(&mutex_);
    guests_[guest.uid()] = guest;
  }
  Send(message);
}

void FakeAgent::RemoveGuest(const std::string& uid) {
  WatchInventoryResponse message;
  message.set_removed_guest_uid(uid);
  {
    absl::MutexLock lock(&mutex_);
    guests_.erase(uid);
  }
  Send(message);
}

void FakeAgent::Hang() {
  absl::MutexLock lock(&mutex_);
  stream_ = nullptr;
}

std::map<std::string, int> FakeAgent::launches() const {
  absl::MutexLock lock(&mutex_);
  return launches_;
}

int FakeAgent::streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_;
}

void FakeAgent::Send(const WatchInventoryResponse& message) {
  std::shared_ptr<Stream> stream;
  {
    absl::MutexLock lock(&mutex_);
    stream = stream_;
  }
  if (stream != nullptr) stream->handler.on_message(message);
}

void FakeAgent::Start(std::shared_ptr<Stream> stream) {
  std::vector<WatchInventoryResponse> snapshot;
  {
    absl::MutexLock lock(&mutex_);
    ++streams_;
    if (!unreachable_) {
      stream_ = stream;
      *snapshot.emplace_back().mutable_host() = host_;
      for (const auto& [uid, guest] : guests_) {
        *snapshot.emplace_back().mutable_guest() = guest;
      }
      snapshot.emplace_back().mutable_synced()->set_epoch("1");
    }
  }
  if (snapshot.empty()) {
    return stream->handler.on_end(absl::UnavailableError("refused"));
  }
  for (const auto& message : snapshot) stream->handler.on_message(message);
}

absl::StatusOr<std::string> FakeAgent::Launch(
    const std::string& bytes, const std::optional<Delegation>& by) {
  v1::LaunchGuestRequest request;
  if (!request.ParseFromString(bytes) || !by.has_value()) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "malformed")
        .Build();
  }
  Operation operation;
  operation.set_done(true);
  if (request.validate_only()) return operation.SerializeAsString();
  if (!launch_error_.ok()) return launch_error_;
  v1::Guest guest = request.guest();
  guest.set_name(absl::StrCat("guests/", request.guest_id()));
  guest.set_uid(by->guest_uid);
  guest.set_state(v1::Guest::RUNNING);
  guests_[by->guest_uid] = guest;
  ++launches_[by->operation];
  operation.set_name(absl::StrCat("operations/", by->operation));
  operation.mutable_response()->PackFrom(guest);
  operations_[operation.name()] = operation;
  if (!lose_answer_) return operation.SerializeAsString();
  lose_answer_ = false;
  return absl::UnavailableError("the answer was lost");
}

absl::StatusOr<std::string> FakeAgent::Answer(
    const std::string& method, const std::string& request,
    const std::optional<Delegation>& delegation) {
  absl::MutexLock lock(&mutex_);
  if (unreachable_) return absl::UnavailableError("unreachable");
  if (absl::EndsWith(method, "/LaunchGuest")) {
    return Launch(request, delegation);
  }
  google::longrunning::GetOperationRequest name;  // Wait has the same field.
  if (absl::EndsWith(method, "/WaitOperation") ||
      absl::EndsWith(method, "/GetOperation")) {
    if (!name.ParseFromString(request)) return absl::InternalError("bytes");
    const auto found = operations_.find(name.name());
    if (found != operations_.end()) return found->second.SerializeAsString();
    return Error(absl::StatusCode::kNotFound, reason::kOperationNotFound,
                 "no such operation")
        .Build();
  }
  if (delegation.has_value() && absl::StrContains(method, "Guests/")) {
    Operation operation;
    operation.set_name(absl::StrCat("operations/", delegation->operation));
    operation.set_done(true);
    operation.mutable_response();
    operations_[operation.name()] = operation;
    return operation.SerializeAsString();
  }
  return Error(absl::StatusCode::kUnimplemented, reason::kNotImplemented,
               method)
      .Build();
}

}  // namespace innkeeper
