// One running QEMU: its process, its monitor, and what it says by itself.
#ifndef INNKEEPER_AGENT_DRIVER_QEMU_QEMU_GUEST_H_
#define INNKEEPER_AGENT_DRIVER_QEMU_QEMU_GUEST_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/qemu_timings.h"
#include "agent/guest/guest_record.h"
#include "agent/qmp/event.h"
#include "agent/qmp/session.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {

// Used on its event loop only. Always held by a shared_ptr: what is under way
// keeps it until that ends. Close() ends all callbacks.
class QemuGuest : public std::enable_shared_from_this<QemuGuest> {
 public:
  struct Handlers {
    // Each event of the monitor.
    absl::AnyInvocable<void(const QmpEvent&)> event;
    // Once, when the process has ended.
    absl::AnyInvocable<void(const GuestExit&, const std::string& error_text)>
        exit;
    // The monitor stopped answering, or answers again.
    absl::AnyInvocable<void(bool responsive)> responsive;
  };

  // `pidfd` is of QEMU; `directory` is the guest's, with its sockets and logs.
  static std::shared_ptr<QemuGuest> Start(EventLoop* loop, std::string id,
                                          std::string directory,
                                          GuestProcess process, UniqueFd pidfd,
                                          Handlers handlers,
                                          const QemuTimings& timings);
  ~QemuGuest() = default;

  // Connects to the monitor and asks for the run state. Answers with it, or
  // within `timeout` with DEADLINE_EXCEEDED (GUEST_UNRESPONSIVE) or UNAVAILABLE
  // (MONITOR_CLOSED); whatever the answer, connecting is tried again for as
  // long as the process lives. An answer that is an error says that the monitor
  // does not answer: Handlers::responsive tells once it does. If the process
  // ends meanwhile, the answer comes before Handlers::exit is called.
  void Connect(absl::Duration timeout, Completion<std::string> done);

  // As QmpSession::Execute; UNAVAILABLE (MONITOR_CLOSED) while not connected.
  void Execute(absl::string_view command, const nlohmann::json& arguments,
               absl::Duration timeout, Completion<nlohmann::json> done);

  // False while every process of the guest is ended from outside, the keeper
  // too: nobody will say how QEMU ended.
  void ExpectExitRecord(bool expected) { expect_record_ = expected; }

  // No handler is called any more; the monitor is left to itself.
  void Close();

  const GuestProcess& process() const { return process_; }
  const std::string& directory() const { return directory_; }
  bool exited() const { return exited_; }

 private:
  // Of one connection: null once it was given.
  using DialAnswer = std::shared_ptr<Completion<std::string>>;

  QemuGuest(EventLoop* loop, std::string id, std::string directory,
            GuestProcess process, UniqueFd pidfd, Handlers handlers,
            const QemuTimings& timings);

  void OnPidfd();
  void ReadExit(absl::Time deadline);
  void Dial(absl::Duration timeout, Completion<std::string> done);
  void StartSession(UniqueFd socket, absl::Duration timeout,
                    const DialAnswer& answer);
  void AskState(absl::Duration timeout, Completion<std::string> done);
  void DialLater();
  void SetResponsive(bool responsive);
  void ProbeLater();

  EventLoop* const loop_;
  const std::string id_;
  const std::string directory_;
  const GuestProcess process_;
  UniqueFd pidfd_;
  Handlers handlers_;
  const QemuTimings timings_;
  std::unique_ptr<QmpSession> session_;
  DialAnswer dialing_;
  bool exited_ = false;
  bool closed_ = false;
  bool responsive_ = true;
  bool expect_record_ = true;
  EventLoop::TimerId redial_ = 0;
  EventLoop::TimerId probe_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_QEMU_QEMU_GUEST_H_
