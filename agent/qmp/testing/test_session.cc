#include "agent/qmp/testing/test_session.h"

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/qmp/event.h"
#include "agent/qmp/session.h"
#include "agent/qmp/testing/await.h"
#include "agent/qmp/version.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

constexpr absl::Duration kWait = absl::Seconds(20);

}  // namespace

TestSession::TestSession(EventLoop* loop, UniqueFd socket,
                         QmpSession::Options options, EventHook on_event)
    : loop_(loop) {
  QmpSession::Handlers handlers;
  handlers.ready = [this](const QmpVersion& version) {
    absl::MutexLock lock(&mutex_);
    version_ = version;
  };
  handlers.event = [this, hook = std::move(on_event)](const QmpEvent& event) {
    {
      absl::MutexLock lock(&mutex_);
      events_.push_back(event);
    }
    if (hook) hook(event);
  };
  handlers.closed = [this](absl::Status status) {
    absl::MutexLock lock(&mutex_);
    closed_.push_back(std::move(status));
  };
  loop_->PostAndWait([&] {
    session_ = QmpSession::Start(loop_, std::move(socket), std::move(handlers),
                                 std::move(options));
  });
}

TestSession::~TestSession() {
  loop_->PostAndWait([this] { Destroy(); });
}

std::optional<QmpVersion> TestSession::WaitReady() {
  absl::MutexLock lock(&mutex_);
  const auto came = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return version_.has_value() || !closed_.empty();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&came), kWait);
  return version_;
}

absl::Status TestSession::WaitClosed() {
  absl::MutexLock lock(&mutex_);
  const auto came = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !closed_.empty();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&came), kWait);
  return closed_.empty() ? absl::OkStatus() : closed_.front();
}

std::vector<QmpEvent> TestSession::WaitEvents(size_t count) {
  absl::MutexLock lock(&mutex_);
  const auto came = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return events_.size() >= count;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&came), kWait);
  return events_;
}

size_t TestSession::events() {
  absl::MutexLock lock(&mutex_);
  return events_.size();
}

int TestSession::closed_calls() {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(closed_.size());
}

absl::StatusOr<nlohmann::json> TestSession::Run(absl::string_view command,
                                                const nlohmann::json& arguments,
                                                absl::Duration timeout) {
  return Await<absl::StatusOr<nlohmann::json>>(
      loop_, [&](Completion<nlohmann::json> done) {
        session_->Execute(command, arguments, timeout, std::move(done));
      });
}

}  // namespace innkeeper
