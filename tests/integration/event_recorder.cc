#include "tests/integration/event_recorder.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {

absl::StatusOr<std::vector<v1::Event>> ReadEventLog(const Caller& agent) {
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  v1::WatchEventsRequest request;
  request.set_from_oldest(true);
  request.set_until_now(true);
  const auto stream = agent.events().WatchEvents(&context, request);
  std::vector<v1::Event> events;
  v1::WatchEventsResponse response;
  while (stream->Read(&response)) {
    if (response.has_event()) events.push_back(response.event());
  }
  const absl::Status status = FromGrpcStatus(stream->Finish());
  if (!status.ok()) return status;
  return events;
}

EventRecorder::EventRecorder(const Caller& caller)
    : caller_(caller.channel()), thread_([this] { Run(); }) {}

EventRecorder::~EventRecorder() {
  {
    const absl::MutexLock lock(&mutex_);
    stopped_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  thread_.join();
}

std::vector<v1::Event> EventRecorder::Of(const std::string& host) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = events_.find(host);
  return found == events_.end() ? std::vector<v1::Event>() : found->second;
}

int EventRecorder::marks() const {
  const absl::MutexLock lock(&mutex_);
  return marks_;
}

int EventRecorder::breaks() const {
  const absl::MutexLock lock(&mutex_);
  return breaks_;
}

std::string EventRecorder::resume_token() const {
  const absl::MutexLock lock(&mutex_);
  return token_;
}

void EventRecorder::Run() {
  while (true) {
    WatchOnce();
    const absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    ++breaks_;
  }
}

void EventRecorder::WatchOnce() {
  v1::WatchEventsRequest request;
  std::shared_ptr<grpc::ClientContext> context;
  {
    const absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    request.set_from_oldest(token_.empty());
    request.set_resume_token(token_);
    context = context_ = std::make_shared<grpc::ClientContext>();
    last_.clear();
  }
  context->set_wait_for_ready(true);
  const auto stream = caller_.events().WatchEvents(context.get(), request);
  v1::WatchEventsResponse response;
  while (stream->Read(&response)) {
    const absl::MutexLock lock(&mutex_);
    if (response.has_progress()) {
      token_ = response.progress().resume_token();
      ++marks_;
    }
    if (response.has_event()) Take(response.event());
  }
  const absl::Status status = FromGrpcStatus(stream->Finish());
  const absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(stopped_ || absl::IsUnavailable(status)) << status;
  // What cannot be gone on with is not tried without end.
  stopped_ = stopped_ || !absl::IsUnavailable(status);
}

void EventRecorder::Take(const v1::Event& event) {
  int64_t& last = last_[event.host()];
  EXPECT_GT(event.sequence(), last) << event.ShortDebugString();
  last = event.sequence();
  std::vector<v1::Event>& events = events_[event.host()];
  const auto same =
      std::find_if(events.begin(), events.end(), [&](const v1::Event& known) {
        return known.epoch() == event.epoch() &&
               known.sequence() == event.sequence();
      });
  if (same == events.end()) {
    events.push_back(event);
  } else {
    EXPECT_EQ(same->ShortDebugString(), event.ShortDebugString());
  }
}

}  // namespace innkeeper
