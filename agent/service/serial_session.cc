#include "agent/service/serial_session.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kChunk = size_t{32} << 10;
// Beyond this the client's next message waits until the guest has read.
constexpr size_t kMaxInput = size_t{64} << 10;
// When a guest's process ends, the keeper closes a moment before the driver
// knows. If it does not know by then, the process lives.
constexpr absl::Duration kExitNews = absl::Seconds(1);
constexpr int kLooks = 20;

absl::Status Unavailable(int error) {
  return Error(absl::StatusCode::kFailedPrecondition,
               reason::kConsoleUnavailable,
               absl::StrCat("the guest's console cannot be reached: ",
                            strerror(error), "; is the guest still there?"))
      .With("errno", absl::StrCat(error));
}

absl::Status TooSlow() {
  return Error(absl::StatusCode::kResourceExhausted, reason::kWatcherTooSlow,
               "the guest writes faster than you read, and what you have not "
               "read is lost; attach again for the last of it");
}

}  // namespace

void SerialSession::Start(EventLoop* loop, const std::string& path,
                          const v1::AttachSerialRequest& first,
                          std::function<bool()> runs,
                          std::shared_ptr<Stream> stream,
                          absl::AnyInvocable<void()> ended) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    stream->Finish(Unavailable(ENAMETOOLONG));
    return ended();
  }
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // A local socket connects at once, or its queue is full.
  if (!socket.valid() ||
      connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    stream->Finish(Unavailable(errno));
    return ended();
  }
  std::shared_ptr<SerialSession> session(
      new SerialSession(loop, std::move(socket), first.read_only(),
                        std::move(runs), std::move(stream), std::move(ended)));
  session->Run(first.input());
}

void SerialSession::Run(const std::string& input) {
  const auto self = shared_from_this();
  UpdateEvents();
  stream_->SetCancelHandler([self] {
    self->loop_->Post([self] { self->End(absl::CancelledError("gone")); });
  });
  stream_->SetDrainHandler([self] {
    self->loop_->Post([self] {
      if (self->ended_) return;
      self->waiting_ = false;
      self->UpdateEvents();
    });
  });
  stream_->SetReadHandler(
      [self](v1::AttachSerialRequest request) {
        self->loop_->Post([self, input = std::move(*request.mutable_input())] {
          self->TakeInput(input);
        });
      },
      // No more is typed; what the guest writes still goes to the client.
      [] {});
  TakeInput(input);
}

void SerialSession::OnSocket(uint32_t events) {
  if ((events & EPOLLOUT) != 0) WriteSocket();
  if (!ended_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadSocket();
}

void SerialSession::ReadSocket() {
  if (waiting_ || !socket_.valid()) return;
  char buffer[kChunk];
  const ssize_t got = read(socket_.get(), buffer, sizeof(buffer));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    CloseSocket();
    return OnClosed(0);
  }
  v1::AttachSerialResponse response;
  response.set_output(buffer, static_cast<size_t>(got));
  stream_->Write(std::move(response));
  if (!stream_->WritePermitted()) {
    waiting_ = true;
    UpdateEvents();
  }
}

void SerialSession::OnClosed(int looks) {
  if (ended_) return;
  if (!runs_()) return End(absl::OkStatus());
  if (looks == kLooks) return End(TooSlow());
  const auto self = shared_from_this();
  loop_->After(kExitNews / kLooks,
               [self, looks] { self->OnClosed(looks + 1); });
}

void SerialSession::TakeInput(const std::string& input) {
  if (ended_) return;
  if (read_only_ && !input.empty()) {
    return End(Error(absl::StatusCode::kInvalidArgument,
                     reason::kInvalidRequest,
                     "the console was attached read-only; attach without "
                     "read_only to type")
                   .Field("input", "must be empty"));
  }
  // Nobody is there to read it.
  if (!socket_.valid()) return;
  input_ += input;
  if (input_.size() > kMaxInput) stream_->PauseReads();
  WriteSocket();
}

void SerialSession::WriteSocket() {
  while (!input_.empty()) {
    const ssize_t written =
        send(socket_.get(), input_.data(), input_.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0) {
      // Why, the end of what the guest wrote will tell.
      input_.clear();
      break;
    }
    input_.erase(0, static_cast<size_t>(written));
  }
  if (input_.size() <= kMaxInput) stream_->ResumeReads();
  UpdateEvents();
}

void SerialSession::UpdateEvents() {
  if (!socket_.valid()) return;
  uint32_t events = 0;
  if (!waiting_) events |= EPOLLIN;
  if (!input_.empty()) events |= EPOLLOUT;
  const uint32_t watched = std::exchange(watched_, events);
  if (events == watched) return;
  if (events == 0) {
    // Watched for nothing it would still report a hang-up, over and over.
    loop_->Unwatch(socket_.get());
  } else if (watched == 0) {
    loop_->Watch(
        socket_.get(), events,
        [self = shared_from_this()](uint32_t what) { self->OnSocket(what); });
  } else {
    loop_->SetEvents(socket_.get(), events);
  }
}

void SerialSession::CloseSocket() {
  if (std::exchange(watched_, 0) != 0) loop_->Unwatch(socket_.get());
  socket_.reset();
}

void SerialSession::End(const absl::Status& status) {
  if (ended_) return;
  ended_ = true;
  CloseSocket();
  stream_->Finish(status);
  when_ended_();
}

}  // namespace innkeeper
