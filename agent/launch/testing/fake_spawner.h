// Guests that exist in memory only, for tests of whatever uses a Spawner.
#ifndef INNKEEPER_AGENT_LAUNCH_TESTING_FAKE_SPAWNER_H_
#define INNKEEPER_AGENT_LAUNCH_TESTING_FAKE_SPAWNER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/guest_facts.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Thread-safe. Plans are checked as the launcher checks them, ids are unique,
// and Release of an unknown guest is OK. No process is made: pids are invented,
// unless SetProcess() gives them, and `Launched::pidfd` is one end of a
// socketpair that becomes readable when Exit() or Kill() ends the guest, as a
// pidfd would.
class FakeSpawner : public Spawner {
 public:
  enum class Call {
    kLaunch,
    kOpenImage,
    kKill,
    kRelease,
    kForget,
    kList,
    kOffer,
    kInspectGuest
  };

  // Completions run on `loop`, which must outlive this.
  explicit FakeSpawner(EventLoop* loop) : loop_(loop) {}

  void Launch(LaunchPlan plan, Completion<Launched> done) override;
  void OpenImage(absl::string_view pool, absl::string_view name,
                 Completion<UniqueFd> done) override;
  void Kill(absl::string_view guest, StatusCompletion done) override;
  void Release(absl::string_view guest, StatusCompletion done) override;
  void Forget(absl::string_view uid, StatusCompletion done) override;
  void List(Completion<std::vector<KnownGuest>> done) override;
  void Offer(Completion<ContextOffer> done) override;
  void InspectGuest(absl::string_view guest,
                    Completion<GuestFacts> done) override;
  void SetDisconnectHandler(absl::AnyInvocable<void()> handler) override;

  // The next `call` not yet scripted answers `status` and has no effect.
  void FailNext(Call call, absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // OpenImage of pool and name gives a temporary file with `content`.
  void AddImage(absl::string_view pool, absl::string_view name,
                absl::string_view content) ABSL_LOCKS_EXCLUDED(mutex_);
  // What Offer() answers, and Launch() holds plans to: nothing, at first.
  void SetOffer(ContextOffer offer) ABSL_LOCKS_EXCLUDED(mutex_);
  // A guest that was there before the agent was.
  void AddGuest(KnownGuest guest) ABSL_LOCKS_EXCLUDED(mutex_);
  // Later launches are said to have become this process: whoever asks the
  // kernel about a monitor is shown the one that listens.
  void SetProcess(int64_t pid, int64_t keeper_pid, uint32_t unix_uid)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What InspectGuest says of every guest, beside its ids.
  void SetFacts(std::vector<GuestFact> facts) ABSL_LOCKS_EXCLUDED(mutex_);
  // `guest` ends by itself.
  void Exit(absl::string_view guest) ABSL_LOCKS_EXCLUDED(mutex_);
  // The launcher is lost: every call from now on answers UNAVAILABLE.
  void Disconnect() ABSL_LOCKS_EXCLUDED(mutex_);
  // Called on the loop before a Launch succeeds: a place to start a fake
  // monitor for the guest. Set it before the first launch.
  void SetLaunchHook(absl::AnyInvocable<void(const LaunchPlan&)> hook)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Every plan that was launched, oldest first.
  std::vector<LaunchPlan> launched() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The ids not released, sorted.
  std::vector<std::string> guests() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The uids that Forget was called with, oldest first.
  std::vector<std::string> forgotten() const ABSL_LOCKS_EXCLUDED(mutex_);
  // How often `call` was made.
  int calls(Call call) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Guest {
    KnownGuest known;
    UniqueFd life;  // Closed when the guest ends.
  };

  struct Process {
    int64_t pid;
    int64_t keeper_pid;
    uint32_t unix_uid;
  };

  // Counts `call`; the error that it is to answer, if any.
  absl::Status Enter(Call call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EventLoop* const loop_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Guest> guests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, std::string> images_
      ABSL_GUARDED_BY(mutex_);
  std::map<Call, std::deque<absl::Status>> faults_ ABSL_GUARDED_BY(mutex_);
  std::map<Call, int> calls_ ABSL_GUARDED_BY(mutex_);
  ContextOffer offer_ ABSL_GUARDED_BY(mutex_);
  std::vector<GuestFact> facts_ ABSL_GUARDED_BY(mutex_);
  std::vector<LaunchPlan> launched_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> forgotten_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void()> disconnect_ ABSL_GUARDED_BY(mutex_);
  bool disconnected_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t next_pid_ ABSL_GUARDED_BY(mutex_) = 1000;
  std::optional<Process> process_ ABSL_GUARDED_BY(mutex_);
  // Used on the loop only.
  absl::AnyInvocable<void(const LaunchPlan&)> hook_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_TESTING_FAKE_SPAWNER_H_
