#include "agent/qmp/session.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/qmp/codec.h"
#include "agent/qmp/event.h"
#include "agent/qmp/input_budget.h"
#include "agent/qmp/message.h"
#include "base/completion.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using nlohmann::json;

// The id of qmp_capabilities, the first command of each connection.
constexpr uint64_t kNegotiationId = 0;
// A monitor that was too fast is read again once it has earned this much, so
// that it wakes the loop a few times a second and not for each byte.
constexpr int64_t kResumeBytes = 64 << 10;
// How much of a command's name errors repeat.
constexpr size_t kCommandNameBytes = 128;

absl::Duration SteadyNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

absl::Status ClosedError(absl::string_view message) {
  return Error(absl::StatusCode::kUnavailable, reason::kMonitorClosed, message);
}

}  // namespace

class QmpSession::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(EventLoop* loop, UniqueFd socket, Handlers handlers, Options options)
      : loop_(loop),
        socket_(std::move(socket)),
        handlers_(std::move(handlers)),
        label_(std::move(options.label)),
        budget_(options.burst_bytes, options.bytes_per_second, SteadyNow()) {}

  void Begin(absl::Duration handshake_timeout);
  void Execute(absl::string_view command, const json& arguments,
               absl::Duration timeout, Completion<json> done);
  // Ends the session because of `cause`.
  void Close(const absl::Status& cause);
  // The owner has gone: ends the session, and only commands are answered.
  void Abandon();
  bool ready() const { return state_ == State::kReady; }
  const EventLoop& loop() const { return *loop_; }

 private:
  enum class State : uint8_t { kGreeting, kNegotiating, kReady, kClosed };

  // A command that QEMU has not answered.
  struct Pending {
    std::string command;
    // Null once the deadline has passed: a late answer is dropped.
    Completion<json> done;
    EventLoop::TimerId deadline = 0;
  };

  void Watch();
  void OnSocket(uint32_t events);
  void Read();
  void PauseReading();
  // Hands on every whole message in the decoder.
  void DrainDecoder();
  absl::Status Dispatch(json message);
  absl::Status OnGreeting(const QmpGreeting& greeting);
  absl::Status OnAnswer(uint64_t id, absl::StatusOr<json> answer);
  absl::Status OnFailure(const QmpFailure& failure);
  absl::Status OnEvent(QmpEvent event);
  void OnDeadline(uint64_t id, absl::Duration timeout);
  // Why `command` may not be sent now.
  absl::Status CheckRoom() const;
  void Send(absl::string_view line);
  void Flush();
  // Answers a command that was not sent, after Execute has returned.
  void FailLater(Completion<json> done, absl::Status status);

  EventLoop* const loop_;
  UniqueFd socket_;
  Handlers handlers_;
  const std::string label_;
  InputBudget budget_;
  QmpDecoder decoder_;
  std::string output_;  // Bytes the socket has not taken yet.
  std::map<uint64_t, Pending> pending_;
  uint64_t next_id_ = kNegotiationId + 1;
  EventLoop::TimerId handshake_timer_ = 0;
  EventLoop::TimerId resume_timer_ = 0;
  int timed_out_ = 0;  // Of pending_.
  State state_ = State::kGreeting;
  bool watching_ = false;
  bool waiting_for_room_ = false;  // In the socket, for output_.
  bool flood_logged_ = false;
  bool abandoned_ = false;
};

void QmpSession::Core::Begin(absl::Duration handshake_timeout) {
  Watch();
  handshake_timer_ = loop_->After(
      handshake_timeout, [weak = weak_from_this(), handshake_timeout] {
        const std::shared_ptr<Core> self = weak.lock();
        if (self == nullptr) return;
        self->handshake_timer_ = 0;
        self->Close(Error(absl::StatusCode::kDeadlineExceeded,
                          reason::kGuestUnresponsive,
                          absl::StrCat("the monitor gave no QMP handshake in ",
                                       absl::FormatDuration(handshake_timeout),
                                       "; QEMU is stuck, or another client "
                                       "holds the monitor")));
      });
}

void QmpSession::Core::Watch() {
  watching_ = true;
  loop_->Watch(socket_.get(), waiting_for_room_ ? EPOLLIN | EPOLLOUT : EPOLLIN,
               [weak = weak_from_this()](uint32_t events) {
                 const std::shared_ptr<Core> self = weak.lock();
                 if (self != nullptr) self->OnSocket(events);
               });
}

void QmpSession::Core::OnSocket(uint32_t events) {
  if (events & EPOLLOUT) Flush();
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Read();
}

void QmpSession::Core::Read() {
  char chunk[16 << 10];
  size_t left = kBytesPerWake;
  while (left > 0) {
    const int64_t budget = budget_.Available(SteadyNow());
    if (budget <= 0) return PauseReading();
    const size_t wanted = std::min({left, sizeof(chunk), size_t(budget)});
    const ssize_t got = recv(socket_.get(), chunk, wanted, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      Close(ClosedError(got == 0 ? "QEMU closed the monitor"
                                 : "the connection to the monitor broke"));
      return;
    }
    left -= got;
    budget_.Spend(got);
    decoder_.Append(absl::string_view(chunk, got));
    DrainDecoder();
    if (state_ == State::kClosed) return;
  }
}

void QmpSession::Core::PauseReading() {
  if (!flood_logged_) {
    flood_logged_ = true;
    LogWarning("qmp.flood", {{"guest", label_}});
  }
  // Without a watch, because a hang-up would be reported again and again.
  loop_->Unwatch(socket_.get());
  watching_ = false;
  resume_timer_ =
      loop_->After(budget_.TimeUntil(kResumeBytes), [weak = weak_from_this()] {
        const std::shared_ptr<Core> self = weak.lock();
        if (self == nullptr) return;
        self->resume_timer_ = 0;
        self->Watch();
      });
}

void QmpSession::Core::DrainDecoder() {
  while (state_ != State::kClosed) {
    absl::StatusOr<std::optional<json>> next = decoder_.Next();
    absl::Status status = next.status();
    if (status.ok()) {
      if (!next->has_value()) return;
      budget_.Spend(kMessageCost);
      status = Dispatch(**std::move(next));
    }
    if (!status.ok()) Close(status);
  }
}

absl::Status QmpSession::Core::Dispatch(json message) {
  ASSIGN_OR_RETURN(QmpMessage meaning, InterpretQmpMessage(std::move(message)));
  if (const auto* greeting = std::get_if<QmpGreeting>(&meaning)) {
    return OnGreeting(*greeting);
  }
  if (state_ == State::kGreeting) {
    return QmpProtocolError("it spoke before its greeting");
  }
  if (auto* answer = std::get_if<QmpReturn>(&meaning)) {
    return OnAnswer(answer->id, std::move(answer->value));
  }
  if (const auto* failure = std::get_if<QmpFailure>(&meaning)) {
    return OnFailure(*failure);
  }
  return OnEvent(std::get<QmpEvent>(std::move(meaning)));
}

absl::Status QmpSession::Core::OnGreeting(const QmpGreeting& greeting) {
  if (state_ != State::kGreeting) return QmpProtocolError("it greeted twice");
  ASSIGN_OR_RETURN(
      const std::string line,
      EncodeQmpCommand("qmp_capabilities", nullptr, kNegotiationId));
  Pending& negotiation = pending_[kNegotiationId];
  negotiation.command = "qmp_capabilities";
  negotiation.done =
      [this, version = greeting.version](const absl::StatusOr<json>& answer) {
        // On failure the session is closing already, or is closed next.
        if (!answer.ok()) return;
        state_ = State::kReady;
        loop_->Cancel(std::exchange(handshake_timer_, 0));
        if (handlers_.ready) handlers_.ready(version);
      };
  state_ = State::kNegotiating;
  Send(line);
  return absl::OkStatus();
}

absl::Status QmpSession::Core::OnFailure(const QmpFailure& failure) {
  if (failure.id == kNegotiationId && state_ == State::kNegotiating) {
    return QmpProtocolError(
        absl::StrCat("it refused qmp_capabilities: ", failure.description));
  }
  const auto found = pending_.find(failure.id);
  const std::string command =
      found == pending_.end() ? std::string() : found->second.command;
  return OnAnswer(failure.id, Error(absl::StatusCode::kFailedPrecondition,
                                    reason::kMonitorCommandFailed,
                                    absl::StrCat("QEMU refused '", command,
                                                 "': ", failure.description))
                                  .With("command", command)
                                  .With("class", failure.error_class)
                                  .With("desc", failure.description)
                                  .Build());
}

absl::Status QmpSession::Core::OnAnswer(uint64_t id,
                                        absl::StatusOr<json> answer) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) {
    return QmpProtocolError(
        absl::StrCat("it answered ", id, ", which was not asked"));
  }
  Pending pending = std::move(found->second);
  pending_.erase(found);
  loop_->Cancel(pending.deadline);
  if (pending.done) {
    pending.done(std::move(answer));
  } else {
    --timed_out_;
  }
  return absl::OkStatus();
}

absl::Status QmpSession::Core::OnEvent(QmpEvent event) {
  if (handlers_.event) handlers_.event(std::move(event));
  return absl::OkStatus();
}

absl::Status QmpSession::Core::CheckRoom() const {
  if (state_ != State::kReady) {
    return ClosedError(state_ == State::kClosed
                           ? "the monitor is closed"
                           : "the monitor is not ready for commands yet");
  }
  if (pending_.size() < kMaxOutstanding) return absl::OkStatus();
  if (timed_out_ > 0) {
    return Error(absl::StatusCode::kUnavailable, reason::kGuestUnresponsive,
                 absl::StrCat("the guest's QEMU has left ", timed_out_,
                              " commands unanswered; stop it by force if it "
                              "stays so"));
  }
  return Error(absl::StatusCode::kResourceExhausted, reason::kTooManyRequests,
               absl::StrCat("the guest's QEMU has ", kMaxOutstanding,
                            " commands to answer already; try again when "
                            "they are done"));
}

void QmpSession::Core::Execute(absl::string_view command, const json& arguments,
                               absl::Duration timeout, Completion<json> done) {
  absl::Status room = CheckRoom();
  if (!room.ok()) return FailLater(std::move(done), std::move(room));
  const uint64_t id = next_id_++;
  const absl::StatusOr<std::string> line =
      EncodeQmpCommand(command, arguments, id);
  if (!line.ok()) return FailLater(std::move(done), line.status());
  if (output_.size() + line->size() > kMaxOutputBytes) {
    return FailLater(
        std::move(done),
        Error(absl::StatusCode::kResourceExhausted, reason::kTooManyRequests,
              "the guest's QEMU does not read its monitor; try again when it "
              "does")
            .With("command", command.substr(0, kCommandNameBytes)));
  }
  Pending& pending = pending_[id];
  pending.command = std::string(command.substr(0, kCommandNameBytes));
  pending.done = std::move(done);
  pending.deadline =
      loop_->After(timeout, [weak = weak_from_this(), id, timeout] {
        const std::shared_ptr<Core> self = weak.lock();
        if (self != nullptr) self->OnDeadline(id, timeout);
      });
  Send(*line);
}

void QmpSession::Core::FailLater(Completion<json> done, absl::Status status) {
  loop_->Post([done = std::move(done), status = std::move(status)]() mutable {
    done(std::move(status));
  });
}

void QmpSession::Core::OnDeadline(uint64_t id, absl::Duration timeout) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  found->second.deadline = 0;
  ++timed_out_;
  const std::string command = found->second.command;
  // Left null, by which a late answer is known.
  Completion<json> done = std::exchange(found->second.done, nullptr);
  done(Error(absl::StatusCode::kDeadlineExceeded, reason::kGuestUnresponsive,
             absl::StrCat("the guest's QEMU did not answer '", command,
                          "' within ", absl::FormatDuration(timeout),
                          "; the command may still take effect"))
           .With("command", command)
           .With("timeout", absl::FormatDuration(timeout))
           .Build());
}

void QmpSession::Core::Send(absl::string_view line) {
  const bool idle = output_.empty();
  output_.append(line.data(), line.size());
  // Otherwise the socket is full, and the loop tells when it no longer is.
  if (idle) Flush();
}

void QmpSession::Core::Flush() {
  const bool was_waiting = waiting_for_room_;
  size_t sent = 0;
  waiting_for_room_ = false;
  while (sent < output_.size()) {
    const ssize_t taken =
        send(socket_.get(), output_.data() + sent, output_.size() - sent,
             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken >= 0) {
      sent += taken;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      waiting_for_room_ = true;
      break;
    } else if (errno != EINTR) {
      // Not at once: Execute must return before its command fails.
      loop_->Post([weak = weak_from_this()] {
        const std::shared_ptr<Core> self = weak.lock();
        if (self == nullptr) return;
        self->Close(ClosedError("QEMU takes no more commands"));
      });
      sent = output_.size();
    }
  }
  output_.erase(0, sent);
  if (output_.empty()) std::string().swap(output_);
  if (watching_ && waiting_for_room_ != was_waiting) {
    loop_->SetEvents(socket_.get(),
                     waiting_for_room_ ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

void QmpSession::Core::Abandon() {
  abandoned_ = true;
  Close(ClosedError("the agent closed the monitor"));
}

void QmpSession::Core::Close(const absl::Status& cause) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (watching_) loop_->Unwatch(socket_.get());
  watching_ = false;
  loop_->Cancel(std::exchange(handshake_timer_, 0));
  loop_->Cancel(std::exchange(resume_timer_, 0));
  socket_.reset();
  std::string().swap(output_);
  decoder_ = QmpDecoder();
  std::map<uint64_t, Pending> unanswered = std::exchange(pending_, {});
  for (const auto& [id, pending] : unanswered) loop_->Cancel(pending.deadline);
  for (auto& [id, pending] : unanswered) {
    if (!pending.done) continue;
    pending.done(Error(absl::StatusCode::kUnavailable, reason::kMonitorClosed,
                       absl::StrCat("'", pending.command,
                                    "' was not answered: ", cause.message()))
                     .With("command", pending.command)
                     .Build());
  }
  if (handlers_.closed && !abandoned_) handlers_.closed(cause);
}

QmpSession::QmpSession(std::shared_ptr<Core> core) : core_(std::move(core)) {}

std::unique_ptr<QmpSession> QmpSession::Start(EventLoop* loop, UniqueFd socket,
                                              Handlers handlers) {
  return Start(loop, std::move(socket), std::move(handlers), Options());
}

std::unique_ptr<QmpSession> QmpSession::Start(EventLoop* loop, UniqueFd socket,
                                              Handlers handlers,
                                              Options options) {
  assert(loop->OnLoopThread());
  const absl::Duration handshake_timeout = options.handshake_timeout;
  auto core = std::make_shared<Core>(loop, std::move(socket),
                                     std::move(handlers), std::move(options));
  core->Begin(handshake_timeout);
  return absl::WrapUnique(new QmpSession(std::move(core)));
}

QmpSession::~QmpSession() {
  assert(core_->loop().OnLoopThread());
  core_->Abandon();
}

void QmpSession::Execute(absl::string_view command, const json& arguments,
                         absl::Duration timeout, Completion<json> done) {
  assert(core_->loop().OnLoopThread());
  core_->Execute(command, arguments, timeout, std::move(done));
}

void QmpSession::Close() {
  assert(core_->loop().OnLoopThread());
  // A completion may destroy this object.
  const std::shared_ptr<Core> core = core_;
  core->Close(ClosedError("the agent closed the monitor"));
}

bool QmpSession::ready() const { return core_->ready(); }

}  // namespace innkeeper
