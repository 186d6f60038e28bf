#include "server/hosts/testing/fake_agent_client.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "google/protobuf/empty.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

using agent::v1::WatchInventoryResponse;

constexpr char kEpoch[] = "1";

absl::Status Malformed() {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               "malformed");
}

}  // namespace

class FakeAgentClient final : public AgentClient {
 public:
  explicit FakeAgentClient(FakeAgent* agent) : agent_(agent) {}

  void Call(const std::string& method, std::string request,
            const std::optional<Delegation>& delegation, absl::Duration timeout,
            Completion<std::string> done) override {
    agent_->Take({method, std::move(request), delegation, timeout},
                 std::move(done));
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
                    std::shared_ptr<Console> stream) override {
    agent_->Take({first, delegation, std::move(stream)});
  }

 private:
  FakeAgent* const agent_;
};

std::unique_ptr<AgentClient> FakeAgent::NewClient() {
  return std::make_unique<FakeAgentClient>(this);
}

void FakeAgent::SetUnreachable(bool unreachable) {
  std::shared_ptr<Stream> ended;
  std::vector<Waiter> waiters;
  {
    absl::MutexLock lock(&mutex_);
    unreachable_ = unreachable;
    if (unreachable) {
      ended = std::move(stream_);
      stream_ = nullptr;
      waiters.swap(waiters_);
    }
  }
  if (ended != nullptr) ended->handler.on_end(absl::UnavailableError("gone"));
  for (Waiter& waiter : waiters) waiter.done(absl::UnavailableError("gone"));
}

void FakeAgent::SetLaunchError(absl::Status error) {
  absl::MutexLock lock(&mutex_);
  launch_error_ = std::move(error);
}

void FakeAgent::LoseNextAnswer() {
  absl::MutexLock lock(&mutex_);
  lose_answer_ = true;
}

void FakeAgent::SetAnswer(const std::string& method, Answerer answer) {
  absl::MutexLock lock(&mutex_);
  answerers_[method] = std::move(answer);
}

void FakeAgent::HoldOperations(const std::string& step) {
  absl::MutexLock lock(&mutex_);
  held_step_ = step;
}

void FakeAgent::ReleaseOperations(const absl::Status& outcome) {
  std::vector<std::pair<Completion<std::string>, absl::StatusOr<std::string>>>
      answers;
  {
    absl::MutexLock lock(&mutex_);
    held_step_.reset();
    for (auto& [name, response] : held_responses_) {
      Operation& operation = operations_[name];
      operation.set_done(true);
      if (outcome.ok()) {
        *operation.mutable_response() = response;
      } else {
        *operation.mutable_error() = ToRpcStatus(outcome);
      }
    }
    held_responses_.clear();
    for (Waiter& waiter : waiters_) {
      answers.emplace_back(std::move(waiter.done), Find(waiter.operation));
    }
    waiters_.clear();
  }
  for (auto& [done, answer] : answers) done(std::move(answer));
}

void FakeAgent::ForgetOperations() {
  absl::MutexLock lock(&mutex_);
  operations_.clear();
  held_responses_.clear();
}

void FakeAgent::SetHost(v1::Host host) {
  absl::MutexLock lock(&mutex_);
  host_ = std::move(host);
}

void FakeAgent::Put(const v1::Guest& guest) {
  guests_[guest.uid()] = guest;
  *unsent_.emplace_back().mutable_guest() = guest;
}

void FakeAgent::AddGuest(const v1::Guest& guest) {
  {
    absl::MutexLock lock(&mutex_);
    Put(guest);
  }
  Flush();
}

void FakeAgent::RemoveGuest(const std::string& uid) {
  {
    absl::MutexLock lock(&mutex_);
    guests_.erase(uid);
    unsent_.emplace_back().set_removed_guest_uid(uid);
  }
  Flush();
}

void FakeAgent::AddEvent(v1::Event event) {
  {
    absl::MutexLock lock(&mutex_);
    event.set_host(absl::StrCat("hosts/", name_));
    event.set_epoch(kEpoch);
    event.set_sequence(static_cast<int64_t>(events_.size()) + 1);
    events_.push_back(event);
    *unsent_.emplace_back().mutable_event() = std::move(event);
  }
  Flush();
}

void FakeAgent::DropEvents(int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  dropped_events_ = sequence;
}

void FakeAgent::Beat() {
  {
    absl::MutexLock lock(&mutex_);
    unsent_.emplace_back().mutable_heartbeat();
  }
  Flush();
}

void FakeAgent::Hang() {
  absl::MutexLock lock(&mutex_);
  stream_ = nullptr;
}

std::map<std::string, int> FakeAgent::launches() const {
  absl::MutexLock lock(&mutex_);
  return launches_;
}

std::vector<FakeAgent::Received> FakeAgent::received(
    absl::string_view method) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Received> calls;
  for (const Received& call : received_) {
    if (absl::EndsWith(call.method, method)) calls.push_back(call);
  }
  return calls;
}

std::vector<FakeAgent::Attached> FakeAgent::attached() const {
  absl::MutexLock lock(&mutex_);
  return attached_;
}

int FakeAgent::streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_;
}

void FakeAgent::Flush() {
  std::shared_ptr<Stream> stream;
  std::vector<WatchInventoryResponse> messages;
  {
    absl::MutexLock lock(&mutex_);
    stream = stream_;
    messages.swap(unsent_);
  }
  if (stream == nullptr) return;
  for (const auto& message : messages) stream->handler.on_message(message);
}

void FakeAgent::Start(std::shared_ptr<Stream> stream) {
  std::vector<WatchInventoryResponse> snapshot;
  {
    absl::MutexLock lock(&mutex_);
    ++streams_;
    if (!unreachable_) {
      stream_ = stream;
      unsent_.clear();
      *snapshot.emplace_back().mutable_host() = host_;
      for (const auto& [uid, guest] : guests_) {
        *snapshot.emplace_back().mutable_guest() = guest;
      }
      auto* synced = snapshot.emplace_back().mutable_synced();
      synced->set_epoch(kEpoch);
      synced->set_sequence(static_cast<int64_t>(events_.size()));
    }
  }
  if (snapshot.empty()) {
    return stream->handler.on_end(absl::UnavailableError("refused"));
  }
  for (const auto& message : snapshot) stream->handler.on_message(message);
}

void FakeAgent::Take(Attached console) {
  absl::MutexLock lock(&mutex_);
  attached_.push_back(std::move(console));
}

void FakeAgent::Take(const Received& call, Completion<std::string> done) {
  absl::StatusOr<std::string> answer = std::string();
  {
    absl::MutexLock lock(&mutex_);
    received_.push_back(call);
    google::longrunning::WaitOperationRequest wait;
    if (!unreachable_ && absl::EndsWith(call.method, "/WaitOperation") &&
        wait.ParseFromString(call.request) &&
        held_responses_.count(wait.name()) != 0) {
      waiters_.push_back({wait.name(), std::move(done)});
      return;
    }
    answer = Answer(call);
  }
  Flush();
  done(std::move(answer));
}

FakeAgent::Operation FakeAgent::Begin(
    const std::string& uuid, const google::protobuf::Message& response) {
  Operation operation;
  operation.set_name(absl::StrCat("operations/", uuid));
  v1::GuestOperationMetadata metadata;
  metadata.set_step(held_step_.value_or("done"));
  operation.mutable_metadata()->PackFrom(metadata);
  operation.set_done(!held_step_.has_value());
  if (held_step_.has_value()) {
    held_responses_[operation.name()].PackFrom(response);
  } else {
    operation.mutable_response()->PackFrom(response);
  }
  operations_[operation.name()] = operation;
  return operation;
}

absl::StatusOr<std::string> FakeAgent::Launch(const Received& call) {
  v1::LaunchGuestRequest request;
  const std::optional<Delegation>& by = call.delegation;
  if (!request.ParseFromString(call.request) || !by.has_value()) {
    return Malformed();
  }
  if (request.validate_only()) {
    Operation checked;
    checked.set_done(true);
    return checked.SerializeAsString();
  }
  if (!launch_error_.ok()) return launch_error_;
  v1::Guest guest = request.guest();
  guest.set_name(absl::StrCat("guests/", request.guest_id()));
  guest.set_uid(by->guest_uid);
  guest.set_state(v1::Guest::RUNNING);
  if (guest.owner().empty()) guest.set_owner(by->caller.ToString());
  Put(guest);
  ++launches_[by->operation];
  const Operation operation = Begin(by->operation, guest);
  if (!lose_answer_) return operation.SerializeAsString();
  lose_answer_ = false;
  return absl::UnavailableError("the answer was lost");
}

absl::StatusOr<std::string> FakeAgent::Change(const Received& call) {
  const Delegation& by = *call.delegation;
  const auto found = guests_.find(by.guest_uid);
  if (found == guests_.end()) {
    return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
                 "no such guest")
        .Build();
  }
  v1::Guest guest = found->second;
  if (absl::EndsWith(call.method, "/GetGuestSecurity")) {
    v1::GuestSecurity security;
    security.set_guest(guest.name());
    security.set_host("hosts/itself");
    security.add_checks()->set_id("fake.check");
    return security.SerializeAsString();
  }
  if (absl::EndsWith(call.method, "/DeleteGuest")) {
    guests_.erase(found);
    unsent_.emplace_back().set_removed_guest_uid(guest.uid());
    return Begin(by.operation, google::protobuf::Empty()).SerializeAsString();
  }
  if (absl::EndsWith(call.method, "/PauseGuest")) {
    guest.set_state(v1::Guest::PAUSED);
  } else if (absl::EndsWith(call.method, "/StopGuest")) {
    guest.set_state(v1::Guest::STOPPED);
  } else {
    guest.set_state(v1::Guest::RUNNING);
  }
  Put(guest);
  if (by.operation.empty()) return guest.SerializeAsString();
  return Begin(by.operation, guest).SerializeAsString();
}

absl::StatusOr<std::string> FakeAgent::ListEvents(const Received& call) const {
  agent::v1::ListHostEventsRequest request;
  if (!request.ParseFromString(call.request)) return Malformed();
  const bool gone = request.epoch().empty()
                        ? false
                        : request.epoch() != kEpoch ||
                              request.after_sequence() < dropped_events_;
  if (gone) {
    return Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone, "gone")
        .Build();
  }
  agent::v1::ListHostEventsResponse page;
  for (const v1::Event& event : events_) {
    if (event.sequence() > request.after_sequence() &&
        event.sequence() > dropped_events_ &&
        page.events_size() < request.page_size()) {
      *page.add_events() = event;
    }
  }
  page.mutable_position()->set_epoch(kEpoch);
  page.mutable_position()->set_sequence(static_cast<int64_t>(events_.size()));
  return page.SerializeAsString();
}

absl::StatusOr<std::string> FakeAgent::Find(const std::string& operation) {
  const auto found = operations_.find(operation);
  if (found != operations_.end()) return found->second.SerializeAsString();
  return Error(absl::StatusCode::kNotFound, reason::kOperationNotFound,
               "no such operation")
      .Build();
}

absl::StatusOr<std::string> FakeAgent::Answer(const Received& call) {
  if (unreachable_) return absl::UnavailableError("unreachable");
  for (const auto& [method, answer] : answerers_) {
    if (absl::EndsWith(call.method, method)) return answer(call);
  }
  if (absl::EndsWith(call.method, "/LaunchGuest")) return Launch(call);
  if (absl::EndsWith(call.method, "/ListHostEvents")) return ListEvents(call);
  if (absl::EndsWith(call.method, "/ExplainLaunch")) {
    v1::ExplainLaunchResponse explained;
    explained.add_argv("qemu-of-" + name_);
    return explained.SerializeAsString();
  }
  google::longrunning::GetOperationRequest name;  // Wait has the same field.
  if (absl::EndsWith(call.method, "/WaitOperation") ||
      absl::EndsWith(call.method, "/GetOperation")) {
    if (!name.ParseFromString(call.request)) return Malformed();
    return Find(name.name());
  }
  if (call.delegation.has_value() &&
      absl::StrContains(call.method, ".Guests/")) {
    return Change(call);
  }
  return Error(absl::StatusCode::kUnimplemented, reason::kNotImplemented,
               call.method)
      .Build();
}

}  // namespace innkeeper
