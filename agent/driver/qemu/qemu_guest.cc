#include "agent/driver/qemu/qemu_guest.h"

#include <signal.h>
#include <sys/epoll.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/exit_record.h"
#include "agent/qmp/connector.h"
#include "base/error.h"
#include "base/log.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kExitRecordPoll = absl::Milliseconds(2);

absl::Status NotConnected(absl::string_view id) {
  return Error(absl::StatusCode::kUnavailable, reason::kMonitorClosed,
               absl::StrCat("the monitor of guest '", id,
                            "' is not connected; try again"))
      .With("guest", id);
}

// Whether the keeper may still write its record. Its pid may be another's by
// now; then the deadline ends the wait.
bool KeeperLives(const GuestProcess& process) {
  return kill(static_cast<pid_t>(process.keeper_pid), 0) == 0 || errno != ESRCH;
}

void AnswerOnce(Completion<std::string>& answer,
                absl::StatusOr<std::string> state) {
  if (!answer) return;
  auto once = std::exchange(answer, nullptr);
  once(std::move(state));
}

}  // namespace

std::shared_ptr<QemuGuest> QemuGuest::Start(EventLoop* loop, std::string id,
                                            std::string directory,
                                            GuestProcess process,
                                            UniqueFd pidfd, Handlers handlers,
                                            const QemuTimings& timings) {
  std::shared_ptr<QemuGuest> guest(new QemuGuest(
      loop, std::move(id), std::move(directory), std::move(process),
      std::move(pidfd), std::move(handlers), timings));
  loop->Watch(guest->pidfd_.get(), EPOLLIN,
              [weak = std::weak_ptr<QemuGuest>(guest)](uint32_t) {
                if (const auto self = weak.lock()) self->OnPidfd();
              });
  return guest;
}

QemuGuest::QemuGuest(EventLoop* loop, std::string id, std::string directory,
                     GuestProcess process, UniqueFd pidfd, Handlers handlers,
                     const QemuTimings& timings)
    : loop_(loop),
      id_(std::move(id)),
      directory_(std::move(directory)),
      process_(std::move(process)),
      pidfd_(std::move(pidfd)),
      handlers_(std::move(handlers)),
      timings_(timings) {}

void QemuGuest::Close() {
  if (closed_) return;
  closed_ = true;
  if (pidfd_.valid()) loop_->Unwatch(pidfd_.get());
  pidfd_.reset();
  loop_->Cancel(redial_);
  loop_->Cancel(probe_);
  handlers_ = {};
  session_.reset();
  dialing_.reset();
}

void QemuGuest::OnPidfd() {
  exited_ = true;
  loop_->Unwatch(pidfd_.get());
  pidfd_.reset();
  session_.reset();
  if (const DialAnswer dialing = std::exchange(dialing_, nullptr)) {
    AnswerOnce(*dialing, NotConnected(id_));
  }
  ReadExit(absl::Now() + timings_.exit_record);
}

void QemuGuest::ReadExit(absl::Time deadline) {
  if (closed_) return;
  absl::StatusOr<GuestExit> exit = ReadExitRecord(directory_);
  const bool may_come = expect_record_ && KeeperLives(process_);
  if (!exit.ok() && may_come && absl::Now() < deadline) {
    loop_->After(kExitRecordPoll, [self = shared_from_this(), deadline] {
      self->ReadExit(deadline);
    });
    return;
  }
  GuestExit known;
  known.time = absl::Now();
  if (exit.ok()) {
    known = *exit;
  } else if (!expect_record_) {
    known.kind = ExitKind::kSignaled;
    known.value = SIGKILL;
  } else {
    LogWarning("guest.exit_record",
               {{"guest", id_}, {"error", exit.status().message()}});
  }
  auto handler = std::move(handlers_.exit);
  const std::string error_text = ReadErrorText(directory_);
  if (handler) handler(known, error_text);
}

void QemuGuest::Connect(absl::Duration timeout, Completion<std::string> done) {
  Dial(timeout, [self = shared_from_this(), done = std::move(done)](
                    absl::StatusOr<std::string> state) mutable {
    // Whoever asked knows it by the answer.
    if (!state.ok()) self->responsive_ = false;
    done(std::move(state));
  });
}

void QemuGuest::Dial(absl::Duration timeout, Completion<std::string> done) {
  MonitorPeer peer;
  peer.pid = process_.pid;
  peer.uid = process_.unix_uid;
  const absl::Time deadline = absl::Now() + timeout;
  const auto answer =
      std::make_shared<Completion<std::string>>(std::move(done));
  dialing_ = answer;
  ConnectMonitor(loop_, absl::StrCat(directory_, "/qmp.sock"), peer, timeout,
                 [self = shared_from_this(), deadline,
                  answer](absl::StatusOr<UniqueFd> socket) {
                   if (self->closed_ || self->exited_) {
                     return AnswerOnce(*answer, NotConnected(self->id_));
                   }
                   if (!socket.ok()) {
                     self->DialLater();
                     return AnswerOnce(*answer, socket.status());
                   }
                   self->StartSession(*std::move(socket),
                                      deadline - absl::Now(), answer);
                 });
}

void QemuGuest::StartSession(UniqueFd socket, absl::Duration timeout,
                             const DialAnswer& answer) {
  const std::weak_ptr<QemuGuest> weak = weak_from_this();
  QmpSession::Handlers handlers;
  handlers.ready = [weak, answer, timeout](const QmpVersion&) {
    const auto self = weak.lock();
    if (self == nullptr || self->closed_) return;
    self->AskState(timeout, [answer](absl::StatusOr<std::string> state) {
      AnswerOnce(*answer, std::move(state));
    });
  };
  handlers.event = [weak](const QmpEvent& event) {
    const auto self = weak.lock();
    if (self != nullptr && self->handlers_.event) self->handlers_.event(event);
  };
  handlers.closed = [weak, answer](const absl::Status& status) {
    const auto self = weak.lock();
    AnswerOnce(*answer, status);
    if (self == nullptr || self->closed_ || self->exited_) return;
    // A process that ends closes this first, and its end is told elsewhere.
    // Only a monitor that is lost without it is worth a word, and the next
    // connection shows whether it answers.
    constexpr absl::Duration kEndIsKnown = absl::Seconds(1);
    self->loop_->After(kEndIsKnown,
                       [self, error = std::string(status.message())] {
                         if (self->closed_ || self->exited_) return;
                         LogWarning("guest.monitor_closed",
                                    {{"guest", self->id_}, {"error", error}});
                       });
    self->DialLater();
  };
  QmpSession::Options options;
  options.label = id_;
  options.handshake_timeout = timeout;
  session_ = QmpSession::Start(loop_, std::move(socket), std::move(handlers),
                               std::move(options));
}

void QemuGuest::AskState(absl::Duration timeout, Completion<std::string> done) {
  Execute(
      "query-status", nullptr, timeout,
      [done = std::move(done)](absl::StatusOr<nlohmann::json> status) mutable {
        if (!status.ok()) return done(status.status());
        const auto state = status->find("status");
        if (state == status->end() || !state->is_string()) {
          return done(Error(absl::StatusCode::kUnavailable,
                            reason::kMonitorProtocol,
                            "query-status was answered without a status")
                          .Build());
        }
        done(state->get<std::string>());
      });
}

void QemuGuest::DialLater() {
  loop_->Cancel(redial_);
  redial_ = loop_->After(timings_.redial, [self = shared_from_this()] {
    if (self->closed_ || self->exited_) return;
    self->Dial(self->timings_.probe,
               [self](const absl::StatusOr<std::string>& state) {
                 self->SetResponsive(state.ok());
               });
  });
}

void QemuGuest::Execute(absl::string_view command,
                        const nlohmann::json& arguments, absl::Duration timeout,
                        Completion<nlohmann::json> done) {
  if (session_ == nullptr || !session_->ready()) {
    return loop_->Post([id = id_, done = std::move(done)]() mutable {
      done(NotConnected(id));
    });
  }
  session_->Execute(command, arguments, timeout,
                    [self = shared_from_this(), done = std::move(done)](
                        absl::StatusOr<nlohmann::json> result) mutable {
                      if (result.ok()) {
                        self->SetResponsive(true);
                      } else if (DetailsOf(result.status()).reason ==
                                 reason::kGuestUnresponsive) {
                        self->SetResponsive(false);
                        self->ProbeLater();
                      }
                      done(std::move(result));
                    });
}

void QemuGuest::SetResponsive(bool responsive) {
  if (responsive == responsive_ || closed_ || exited_) return;
  responsive_ = responsive;
  if (handlers_.responsive) handlers_.responsive(responsive);
}

void QemuGuest::ProbeLater() {
  loop_->Cancel(probe_);
  probe_ = loop_->After(timings_.probe, [self = shared_from_this()] {
    if (self->closed_ || self->exited_ || self->responsive_) return;
    self->AskState(self->timings_.probe,
                   [](const absl::StatusOr<std::string>&) {});
  });
}

}  // namespace innkeeper
