#include "agent/launch/testing/fake_spawner.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

constexpr uint32_t kFirstUid = 1880000000;

// A read-only descriptor of a file that nobody else can reach.
absl::StatusOr<UniqueFd> MakeImage(absl::string_view content) {
  const UniqueFd file(memfd_create("image", MFD_CLOEXEC));
  if (!file.valid()) return ErrnoError(errno, "memfd_create");
  RETURN_IF_ERROR(WriteAll(file.get(), content));
  UniqueFd fd(open(absl::StrCat("/proc/self/fd/", file.get()).c_str(),
                   O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "open");
  return fd;
}

}  // namespace

absl::Status FakeSpawner::Enter(Call call) {
  ++calls_[call];
  if (disconnected_) {
    return Error(absl::StatusCode::kUnavailable, reason::kLauncherUnavailable,
                 "the launcher is gone");
  }
  std::deque<absl::Status>& faults = faults_[call];
  if (faults.empty()) return absl::OkStatus();
  absl::Status fault = std::move(faults.front());
  faults.pop_front();
  return fault;
}

void FakeSpawner::Launch(LaunchPlan plan, Completion<Launched> done) {
  const auto run = [this, &plan]() -> absl::StatusOr<Launched> {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kLaunch));
    RETURN_IF_ERROR(ValidatePlan(plan));
    if (guests_.count(plan.guest) != 0) {
      return Error(absl::StatusCode::kAlreadyExists, reason::kGuestExists,
                   absl::StrCat("guest '", plan.guest, "' exists already"));
    }
    RETURN_IF_ERROR(ContextUnavailable(
        FindUnavailableParts(plan.context, plan.owner, offer_)));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return ErrnoError(errno, "socketpair");
    }
    Launched launched;
    launched.pid = next_pid_++;
    launched.keeper_pid = next_pid_++;
    launched.unix_uid = kFirstUid + static_cast<uint32_t>(launched.pid);
    if (process_.has_value()) {
      launched.pid = process_->pid;
      launched.keeper_pid = process_->keeper_pid;
      launched.unix_uid = process_->unix_uid;
    }
    launched.unix_gid = launched.unix_uid;
    launched.start_time_ticks = static_cast<uint64_t>(launched.pid) * 100;
    launched.pidfd.reset(ends[0]);
    for (const PlannedTap& tap : plan.taps) {
      launched.taps.push_back(absl::StrCat("tap-", tap.network));
    }
    Guest& guest = guests_[plan.guest];
    guest.life.reset(ends[1]);
    guest.known = {plan.guest,
                   plan.uid,
                   plan.manifest,
                   true,
                   launched.pid,
                   launched.keeper_pid,
                   launched.unix_uid,
                   launched.unix_gid,
                   launched.start_time_ticks,
                   launched.taps};
    launched_.push_back(plan);
    return launched;
  };
  loop_->Post([this, result = run(), plan, done = std::move(done)]() mutable {
    if (result.ok() && hook_ != nullptr) hook_(plan);
    done(std::move(result));
  });
}

void FakeSpawner::OpenImage(absl::string_view pool, absl::string_view name,
                            Completion<UniqueFd> done) {
  const auto run = [&]() -> absl::StatusOr<UniqueFd> {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kOpenImage));
    const auto image =
        images_.find(std::make_pair(std::string(pool), std::string(name)));
    if (image == images_.end()) {
      return Error(absl::StatusCode::kNotFound, reason::kVolumeNotFound,
                   absl::StrCat("pool '", pool, "' has no '", name, "'"));
    }
    return MakeImage(image->second);
  };
  loop_->Post([result = run(), done = std::move(done)]() mutable {
    done(std::move(result));
  });
}

void FakeSpawner::Kill(absl::string_view guest, StatusCompletion done) {
  const auto run = [&]() -> absl::Status {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kKill));
    const auto found = guests_.find(std::string(guest));
    if (found == guests_.end()) {
      return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
                   absl::StrCat("guest '", guest, "' does not exist"));
    }
    found->second.known.running = false;
    found->second.life.reset();
    return absl::OkStatus();
  };
  loop_->Post([status = run(), done = std::move(done)]() mutable {
    done(std::move(status));
  });
}

void FakeSpawner::Release(absl::string_view guest, StatusCompletion done) {
  const auto run = [&]() -> absl::Status {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kRelease));
    guests_.erase(std::string(guest));
    return absl::OkStatus();
  };
  loop_->Post([status = run(), done = std::move(done)]() mutable {
    done(std::move(status));
  });
}

void FakeSpawner::Forget(absl::string_view uid, StatusCompletion done) {
  const auto run = [&]() -> absl::Status {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kForget));
    for (const auto& [id, guest] : guests_) {
      if (guest.known.uid != uid) continue;
      return Error(absl::StatusCode::kFailedPrecondition,
                   reason::kGuestNotStopped,
                   absl::StrCat("guest '", id, "' is not released"));
    }
    forgotten_.emplace_back(uid);
    return absl::OkStatus();
  };
  loop_->Post([status = run(), done = std::move(done)]() mutable {
    done(std::move(status));
  });
}

void FakeSpawner::List(Completion<std::vector<KnownGuest>> done) {
  const auto run = [&]() -> absl::StatusOr<std::vector<KnownGuest>> {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kList));
    std::vector<KnownGuest> known;
    for (const auto& [unused, guest] : guests_) known.push_back(guest.known);
    return known;
  };
  loop_->Post([result = run(), done = std::move(done)]() mutable {
    done(std::move(result));
  });
}

void FakeSpawner::Offer(Completion<ContextOffer> done) {
  const auto run = [&]() -> absl::StatusOr<ContextOffer> {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kOffer));
    return offer_;
  };
  loop_->Post([result = run(), done = std::move(done)]() mutable {
    done(std::move(result));
  });
}

void FakeSpawner::InspectGuest(absl::string_view guest,
                               Completion<GuestFacts> done) {
  const auto run = [&]() -> absl::StatusOr<GuestFacts> {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Enter(Call::kInspectGuest));
    const auto found = guests_.find(std::string(guest));
    if (found == guests_.end()) {
      return Error(absl::StatusCode::kNotFound, reason::kGuestNotFound,
                   absl::StrCat("guest '", guest, "' does not exist"));
    }
    const KnownGuest& known = found->second.known;
    if (!known.running) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   reason::kGuestNotRunning,
                   absl::StrCat("guest '", guest, "' has no process"));
    }
    GuestFacts facts;
    facts.pid = known.pid;
    facts.keeper_pid = known.keeper_pid;
    facts.unix_uid = known.unix_uid;
    facts.unix_gid = known.unix_gid;
    facts.start_time_ticks = known.start_time_ticks;
    facts.facts = facts_;
    return facts;
  };
  loop_->Post([result = run(), done = std::move(done)]() mutable {
    done(std::move(result));
  });
}

void FakeSpawner::SetOffer(ContextOffer offer) {
  absl::MutexLock lock(&mutex_);
  offer_ = std::move(offer);
}

void FakeSpawner::SetFacts(std::vector<GuestFact> facts) {
  absl::MutexLock lock(&mutex_);
  facts_ = std::move(facts);
}

void FakeSpawner::SetDisconnectHandler(absl::AnyInvocable<void()> handler) {
  absl::MutexLock lock(&mutex_);
  if (disconnected_) {
    loop_->Post(std::move(handler));
  } else {
    disconnect_ = std::move(handler);
  }
}

void FakeSpawner::FailNext(Call call, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  faults_[call].push_back(std::move(status));
}

void FakeSpawner::AddImage(absl::string_view pool, absl::string_view name,
                           absl::string_view content) {
  absl::MutexLock lock(&mutex_);
  images_[{std::string(pool), std::string(name)}] = std::string(content);
}

void FakeSpawner::AddGuest(KnownGuest guest) {
  absl::MutexLock lock(&mutex_);
  const std::string id = guest.guest;
  guests_[id].known = std::move(guest);
}

void FakeSpawner::SetProcess(int64_t pid, int64_t keeper_pid,
                             uint32_t unix_uid) {
  absl::MutexLock lock(&mutex_);
  process_ = Process{pid, keeper_pid, unix_uid};
}

void FakeSpawner::Exit(absl::string_view guest) {
  absl::MutexLock lock(&mutex_);
  const auto found = guests_.find(std::string(guest));
  if (found == guests_.end()) return;
  found->second.known.running = false;
  found->second.life.reset();
}

void FakeSpawner::Disconnect() {
  absl::MutexLock lock(&mutex_);
  disconnected_ = true;
  if (disconnect_ != nullptr) loop_->Post(std::move(disconnect_));
  disconnect_ = nullptr;
}

void FakeSpawner::SetLaunchHook(
    absl::AnyInvocable<void(const LaunchPlan&)> hook) {
  loop_->Post(
      [this, hook = std::move(hook)]() mutable { hook_ = std::move(hook); });
}

std::vector<LaunchPlan> FakeSpawner::launched() const {
  absl::MutexLock lock(&mutex_);
  return launched_;
}

std::vector<std::string> FakeSpawner::guests() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, unused] : guests_) ids.push_back(id);
  return ids;
}

std::vector<std::string> FakeSpawner::forgotten() const {
  absl::MutexLock lock(&mutex_);
  return forgotten_;
}

int FakeSpawner::calls(Call call) const {
  absl::MutexLock lock(&mutex_);
  const auto found = calls_.find(call);
  return found == calls_.end() ? 0 : found->second;
}

}  // namespace innkeeper
