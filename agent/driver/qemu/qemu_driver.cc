#include "agent/driver/qemu/qemu_driver.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "agent/driver/qemu/exit_record.h"
#include "agent/host/host_facts.h"
#include "agent/launch/launch_context.h"
#include "agent/launch/launch_steps.h"
#include "agent/store/guest_record_codec.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// What QEMU writes when it could not try out its locks and goes on without.
constexpr absl::string_view kLockingOff = "OFD lock probing";

// What QEMU writes when another process holds a lock on an image, and the set
// of descriptors that it names the image by.
constexpr absl::string_view kLocked = "Is another process using the image";
constexpr absl::string_view kFdSet = "/dev/fdset/";

// The volume that BuildCommandLine has put into set `number`: every disk has a
// set, and every ephemeral one a second, for its overlay.
std::string VolumeOfSet(const GuestSpec& spec, int number) {
  int set = 0;
  for (const DiskSpec& disk : spec.disks) {
    const int first = set + 1;
    set = disk.mode == DiskMode::kEphemeral ? first + 1 : first;
    if (number >= first && number <= set) return disk.volume.ToString();
  }
  return "";
}

absl::Status ImageInUse(const GuestRecord& guest,
                        absl::string_view error_text) {
  absl::string_view number = error_text;
  number.remove_prefix(std::min(number.find(kFdSet), number.size()));
  absl::ConsumePrefix(&number, kFdSet);
  number = number.substr(0, number.find_first_not_of("0123456789"));
  int set = 0;
  const std::string volume = absl::SimpleAtoi(number, &set)
                                 ? VolumeOfSet(guest.spec, set)
                                 : std::string();
  return Error(absl::StatusCode::kFailedPrecondition, reason::kImageInUse,
               absl::StrCat("the image ", volume, " of guest '", guest.id,
                            "' is in use by another process; stop the guest "
                            "that has it, or take another image"))
      .With("guest", guest.id)
      .With("volume", volume)
      .With("error_text", error_text);
}

absl::Status ExitedEarly(const GuestRecord& guest, const GuestExit& exit,
                         absl::string_view error_text) {
  if (absl::StrContains(error_text, kLocked)) {
    return ImageInUse(guest, error_text);
  }
  std::string how = "and left no word";
  if (exit.kind == ExitKind::kExited) how = absl::StrCat("status ", exit.value);
  if (exit.kind == ExitKind::kSignaled) {
    how = absl::StrCat("signal ", exit.value);
  }
  return Error(
             absl::StatusCode::kFailedPrecondition, reason::kGuestExited,
             absl::StrCat("QEMU of guest '", guest.id, "' ended at once (", how,
                          ")", error_text.empty() ? "" : ": ", error_text))
      .With("guest", guest.id)
      .With("error_text", error_text);
}

absl::Status NoProcess(absl::string_view id) {
  return Error(absl::StatusCode::kNotFound, reason::kGuestExited,
               absl::StrCat("the process of guest '", id, "' has ended"))
      .With("guest", id);
}

// A descriptor of that very process: not of another one that has got its pid.
absl::StatusOr<UniqueFd> OpenProcess(absl::string_view id,
                                     const GuestProcess& process) {
  UniqueFd pidfd(static_cast<int>(
      syscall(SYS_pidfd_open, static_cast<pid_t>(process.pid), 0)));
  if (!pidfd.valid()) return NoProcess(id);
  const absl::StatusOr<uint64_t> ticks = ReadStartTimeTicks(process.pid);
  if (!ticks.ok() || *ticks != process.start_time_ticks) return NoProcess(id);
  return pidfd;
}

LaunchExplanation ExplainPlan(const PlannedLaunch& planned) {
  LaunchExplanation explanation;
  explanation.argv = planned.plan.argv;
  explanation.machine_type = planned.machine_type;
  explanation.accel = planned.accel;
  explanation.accel_reason = planned.accel_reason;
  for (const PlannedFd& fd : planned.plan.fds) {
    explanation.fds.push_back({fd.number, DescribeFd(planned.plan, fd)});
  }
  const bool user_namespace =
      planned.plan.context.namespaces.user == NamespaceMode::kNew;
  for (const LaunchStepInfo& step : kLaunchSteps) {
    if (!IsTaken(step, user_namespace)) continue;
    explanation.steps.push_back(
        absl::StrCat(step.name, ": ", step.what, " (", step.why, ")"));
  }
  return explanation;
}

}  // namespace

struct QemuDriver::Pending {
  GuestRecord record;
  Completion<DriverGuest> done;
  DriverGuest result;
  std::shared_ptr<QemuGuest> guest;
  bool failed = false;
  EventLoop::TimerId timer = 0;
};

QemuDriver::~QemuDriver() {
  for (const auto& [unused, guest] : guests_) guest->Close();
  for (const auto& [unused, pending] : pending_) {
    if (pending->guest != nullptr) pending->guest->Close();
  }
}

std::string QemuDriver::DirectoryOf(absl::string_view guest) const {
  return absl::StrCat(parts_.guests_directory, "/", guest);
}

void QemuDriver::Explain(const GuestRecord& guest,
                         Completion<LaunchExplanation> done) {
  parts_.planner->Plan(
      guest,
      [done = std::move(done)](absl::StatusOr<PlannedLaunch> planned) mutable {
        if (!planned.ok()) return done(planned.status());
        done(ExplainPlan(*planned));
      });
}

void QemuDriver::Launch(const GuestRecord& guest,
                        Completion<DriverGuest> done) {
  auto pending = std::make_shared<Pending>();
  pending->record = guest;
  pending->done = std::move(done);
  pending_[guest.id] = pending;
  parts_.planner->Plan(guest,
                       [this, pending](absl::StatusOr<PlannedLaunch> planned) {
                         Look(pending, std::move(planned));
                       });
}

void QemuDriver::Look(const PendingPtr& pending,
                      absl::StatusOr<PlannedLaunch> planned) {
  if (look_ == nullptr || !planned.ok() || pending->failed) {
    return Spawn(pending, std::move(planned));
  }
  auto plan = std::make_shared<PlannedLaunch>(*std::move(planned));
  look_(pending->record, ExplainPlan(*plan),
        [this, pending, plan](absl::Status seen) {
          if (!seen.ok()) return Spawn(pending, std::move(seen));
          Spawn(pending, std::move(*plan));
        });
}

void QemuDriver::Spawn(const PendingPtr& pending,
                       absl::StatusOr<PlannedLaunch> planned) {
  if (pending->failed) return;
  if (!planned.ok()) {
    // Nothing of it is there yet.
    pending->failed = true;
    pending_.erase(pending->record.id);
    return pending->done(planned.status());
  }
  pending->result.machine_type = planned->machine_type;
  pending->result.accel = planned->accel;
  pending->result.accel_reason = planned->accel_reason;
  GuestRecord manifest = pending->record;
  manifest.resolved_machine_type = planned->machine_type;
  manifest.accel_used = planned->accel;
  manifest.accel_reason = planned->accel_reason;
  planned->plan.manifest = SerializeGuestRecord(manifest);
  INNKEEPER_FAILPOINT("agent.driver.spawn");
  parts_.spawner->Launch(std::move(planned->plan),
                         [this, pending](absl::StatusOr<Launched> launched) {
                           Handshake(pending, std::move(launched));
                         });
}

void QemuDriver::Handshake(const PendingPtr& pending,
                           absl::StatusOr<Launched> launched) {
  INNKEEPER_FAILPOINT("agent.driver.spawned");
  if (!launched.ok()) return Fail(pending, launched.status());
  GuestProcess& process = pending->result.process;
  process.pid = launched->pid;
  process.keeper_pid = launched->keeper_pid;
  process.unix_uid = launched->unix_uid;
  process.unix_gid = launched->unix_gid;
  process.start_time_ticks = launched->start_time_ticks;
  process.boot_id = parts_.boot_id;
  process.taps = std::move(launched->taps);
  const std::string id = pending->record.id;
  QemuGuest::Handlers handlers = MakeHandlers(id);
  handlers.exit = [this, pending, id](const GuestExit& exit,
                                      const std::string& error_text) {
    const auto found = pending_.find(id);
    if (found != pending_.end() && found->second == pending) {
      return Fail(pending, ExitedEarly(pending->record, exit, error_text));
    }
    guests_.erase(id);
    sink_->OnExit(id, exit, error_text);
  };
  pending->guest = QemuGuest::Start(parts_.loop, id, DirectoryOf(id), process,
                                    std::move(launched->pidfd),
                                    std::move(handlers), parts_.timings);
  // Whatever QEMU does instead of answering, a launch ends.
  pending->timer =
      parts_.loop->After(2 * parts_.timings.handshake, [this, pending] {
        Fail(pending, Error(absl::StatusCode::kDeadlineExceeded,
                            reason::kGuestUnresponsive,
                            absl::StrCat("QEMU of guest '", pending->record.id,
                                         "' did not answer in time"))
                          .With("guest", pending->record.id)
                          .Build());
      });
  pending->guest->Connect(
      parts_.timings.handshake,
      [this, pending](const absl::StatusOr<std::string>& state) {
        LetRun(pending, state);
      });
}

void QemuDriver::LetRun(const PendingPtr& pending,
                        const absl::StatusOr<std::string>& state) {
  INNKEEPER_FAILPOINT("agent.driver.handshake");
  if (pending->failed) return;
  if (!state.ok()) return FailUnlessExited(pending, state.status());
  const std::string error_text = ReadErrorText(DirectoryOf(pending->record.id));
  if (absl::StrContains(error_text, kLockingOff)) {
    return Fail(
        pending,
        Error(absl::StatusCode::kFailedPrecondition, reason::kImageLockingOff,
              absl::StrCat("QEMU could not lock its images: ", error_text))
            .With("error_text", error_text)
            .Build());
  }
  if (pending->record.spec.start_paused) {
    return Succeed(pending, RunState::kPaused);
  }
  pending->guest->Execute(
      "cont", nullptr, parts_.timings.handshake,
      [this, pending](const absl::StatusOr<nlohmann::json>& result) {
        if (pending->failed) return;
        if (result.ok()) return Succeed(pending, RunState::kRunning);
        FailUnlessExited(pending, result.status());
      });
}

void QemuDriver::Succeed(const PendingPtr& pending, RunState state) {
  parts_.loop->Cancel(pending->timer);
  pending->result.run_state = state;
  guests_[pending->record.id] = pending->guest;
  pending_.erase(pending->record.id);
  pending->done(std::move(pending->result));
}

void QemuDriver::FailUnlessExited(const PendingPtr& pending,
                                  absl::Status status) {
  if (DetailsOf(status).reason != reason::kMonitorClosed) {
    return Fail(pending, std::move(status));
  }
  // A process that has just ended says more than its silent monitor: its exit
  // is on the way.
  parts_.loop->Cancel(pending->timer);
  pending->timer = parts_.loop->After(
      parts_.timings.hung_up,
      [this, pending, status = std::move(status)] { Fail(pending, status); });
}

void QemuDriver::Fail(const PendingPtr& pending, absl::Status status) {
  if (pending->failed) return;
  pending->failed = true;
  parts_.loop->Cancel(pending->timer);
  if (pending->guest != nullptr) pending->guest->Close();
  parts_.spawner->Release(
      pending->record.id, [this, pending, status = std::move(status)](
                              const absl::Status& released) {
        if (!released.ok()) {
          LogError("guest.release", {{"guest", pending->record.id},
                                     {"error", released.message()}});
        }
        pending_.erase(pending->record.id);
        pending->done(status);
      });
}

QemuGuest::Handlers QemuDriver::MakeHandlers(const std::string& id) {
  QemuGuest::Handlers handlers;
  handlers.event = [this, id](const QmpEvent& event) {
    if (guests_.count(id) == 0) return;
    if (event.name == "STOP") return sink_->OnRunState(id, RunState::kPaused);
    if (event.name == "RESUME") {
      return sink_->OnRunState(id, RunState::kRunning);
    }
    if (event.name == "RESET") {
      const auto by_guest = event.data.find("guest");
      sink_->OnReset(id, by_guest != event.data.end() &&
                             by_guest->is_boolean() && by_guest->get<bool>());
    }
  };
  handlers.responsive = [this, id](bool responsive) {
    if (guests_.count(id) != 0) sink_->OnResponsive(id, responsive);
  };
  return handlers;
}

void QemuDriver::Find(Completion<std::vector<FoundGuest>> done) {
  parts_.spawner->List(
      [this, done = std::move(done)](
          absl::StatusOr<std::vector<KnownGuest>> known) mutable {
        if (!known.ok()) return done(known.status());
        std::vector<FoundGuest> found;
        for (const KnownGuest& guest : *known) {
          FoundGuest one;
          absl::StatusOr<GuestRecord> record = ParseGuestRecord(guest.manifest);
          if (record.ok()) {
            one.record = *std::move(record);
          } else {
            // It is there all the same; nothing is lost by not understanding
            // it.
            LogError("guest.manifest", {{"guest", guest.guest},
                                        {"error", record.status().message()}});
            one.record.uid = guest.uid;
          }
          one.record.id = guest.guest;
          one.process = {guest.pid,      guest.keeper_pid,       guest.unix_uid,
                         guest.unix_gid, guest.start_time_ticks, parts_.boot_id,
                         guest.taps};
          one.running = guest.running;
          if (!guest.running) {
            const std::string directory = DirectoryOf(guest.guest);
            absl::StatusOr<GuestExit> exit = ReadExitRecord(directory);
            if (exit.ok()) one.exit = *exit;
            one.error_text = ReadErrorText(directory);
          }
          found_[guest.guest] = one.process;
          found.push_back(std::move(one));
        }
        done(std::move(found));
      });
}

void QemuDriver::Adopt(const GuestRecord& guest, bool let_run,
                       Completion<DriverGuest> done) {
  const std::string id = guest.id;
  const auto found = found_.find(id);
  absl::StatusOr<UniqueFd> pidfd = found == found_.end()
                                       ? absl::StatusOr<UniqueFd>(NoProcess(id))
                                       : OpenProcess(id, found->second);
  if (!pidfd.ok()) {
    return parts_.loop->Post(
        [done = std::move(done), status = pidfd.status()]() mutable {
          done(status);
        });
  }
  const GuestProcess process = found->second;
  QemuGuest::Handlers handlers = MakeHandlers(id);
  handlers.exit = [this, id](const GuestExit& exit,
                             const std::string& error_text) {
    guests_.erase(id);
    sink_->OnExit(id, exit, error_text);
  };
  std::shared_ptr<QemuGuest> adopted =
      QemuGuest::Start(parts_.loop, id, DirectoryOf(id), process,
                       *std::move(pidfd), std::move(handlers), parts_.timings);
  guests_[id] = adopted;
  auto answer = std::make_shared<Completion<DriverGuest>>(std::move(done));
  DriverGuest result;
  result.process = process;
  result.machine_type = guest.resolved_machine_type;
  result.accel = guest.accel_used;
  result.accel_reason = guest.accel_reason;
  adopted->Connect(
      parts_.timings.adopt,
      [adopted, let_run, answer, timeout = parts_.timings.command,
       result](absl::StatusOr<std::string> state) mutable {
        if (!state.ok()) {
          result.responsive = false;
          result.run_state = RunState::kRunning;
          return (*answer)(std::move(result));
        }
        result.run_state =
            *state == "running" ? RunState::kRunning : RunState::kPaused;
        // Only a machine that never ran was cut off on its way: one that
        // somebody paused stays paused.
        if (!let_run || *state != "prelaunch") {
          return (*answer)(std::move(result));
        }
        adopted->Execute(
            "cont", nullptr, timeout,
            [answer,
             result](const absl::StatusOr<nlohmann::json>& continued) mutable {
              result.responsive = continued.ok();
              result.run_state = RunState::kRunning;
              (*answer)(std::move(result));
            });
      });
}

void QemuDriver::Command(absl::string_view guest, absl::string_view command,
                         StatusCompletion done) {
  const auto found = guests_.find(guest);
  if (found == guests_.end()) {
    return parts_.loop->Post(
        [status = NoProcess(guest), done = std::move(done)]() mutable {
          done(status);
        });
  }
  found->second->Execute(
      command, nullptr, parts_.timings.command,
      [done = std::move(done)](
          const absl::StatusOr<nlohmann::json>& result) mutable {
        done(result.status());
      });
}

void QemuDriver::Pause(absl::string_view guest, StatusCompletion done) {
  Command(guest, "stop", std::move(done));
}

void QemuDriver::Resume(absl::string_view guest, StatusCompletion done) {
  Command(guest, "cont", std::move(done));
}

void QemuDriver::PowerDown(absl::string_view guest, StatusCompletion done) {
  Command(guest, "system_powerdown", std::move(done));
}

void QemuDriver::Reset(absl::string_view guest, StatusCompletion done) {
  Command(guest, "system_reset", std::move(done));
}

void QemuDriver::Kill(absl::string_view guest, StatusCompletion done) {
  std::shared_ptr<QemuGuest> killed;
  const auto found = guests_.find(guest);
  const auto pending = pending_.find(guest);
  if (found != guests_.end()) killed = found->second;
  if (pending != pending_.end()) killed = pending->second->guest;
  if (killed != nullptr) killed->ExpectExitRecord(false);
  parts_.spawner->Kill(
      guest, [killed, done = std::move(done)](absl::Status status) mutable {
        // Not there any more, or not there yet: its launch sees the
        // cancellation.
        if (absl::IsNotFound(status)) status = absl::OkStatus();
        if (!status.ok() && killed != nullptr) killed->ExpectExitRecord(true);
        done(std::move(status));
      });
}

void QemuDriver::Remove(absl::string_view guest, StatusCompletion done) {
  const auto found = guests_.find(guest);
  if (found != guests_.end()) {
    found->second->Close();
    guests_.erase(found);
  }
  found_.erase(std::string(guest));
  parts_.spawner->Release(guest, std::move(done));
}

void QemuDriver::Forget(absl::string_view uid, StatusCompletion done) {
  parts_.spawner->Forget(uid, std::move(done));
}

absl::StatusOr<std::string> QemuDriver::ConsolePath(
    absl::string_view guest) const {
  const auto found = guests_.find(guest);
  if (found == guests_.end() || found->second->exited()) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 reason::kConsoleUnavailable,
                 absl::StrCat("guest '", guest,
                              "' has no process, so its console is closed; "
                              "start it first"))
        .With("guest", guest)
        .Build();
  }
  return absl::StrCat(DirectoryOf(guest), "/console.sock");
}

}  // namespace innkeeper
