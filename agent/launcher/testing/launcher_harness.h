// A real launcher in a directory of its own, with the test as its agent.
#ifndef INNKEEPER_AGENT_LAUNCHER_TESTING_LAUNCHER_HARNESS_H_
#define INNKEEPER_AGENT_LAUNCHER_TESTING_LAUNCHER_HARNESS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/guest_facts.h"
#include "agent/launch/launch_plan.h"
#include "agent/launch/spawner.h"
#include "agent/launcher/protocol.h"
#include "agent/spawner/launcher_client.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace innkeeper {

inline constexpr uid_t kTestAgentUid = 65534;
inline constexpr gid_t kTestAgentGid = 65534;
inline constexpr uid_t kTestUidBase = 1890000000;

// Needs root. Everything it starts it stops, and everything it makes it
// removes. Not thread-safe.
class LauncherHarness {
 public:
  LauncherHarness();
  ~LauncherHarness();
  LauncherHarness(const LauncherHarness&) = delete;
  LauncherHarness& operator=(const LauncherHarness&) = delete;

  // Starts the launcher, with `environment` ("NAME=VALUE") and `flags` beside
  // the usual ones, and becomes its agent.
  absl::Status Start(const std::vector<std::string>& environment = {},
                     const std::vector<std::string>& flags = {});
  // As Start, without waiting for the agent.
  void Spawn(const std::vector<std::string>& environment,
             const std::vector<std::string>& flags);
  // Takes the socket from the relay agent that the launcher starts.
  absl::Status Connect();
  // SIGKILL; the launcher is gone when this returns.
  void Kill();
  // SIGTERM; the exit status of the launcher.
  int Stop();
  // Waits until the launcher ends by itself; whether it did in time.
  bool WaitForEnd();
  // Lets the launcher's socket go, which ends this agent.
  void Disconnect();
  // Gives the socket itself, to send what a client never would.
  UniqueFd TakeSocket();

  // The calls of Spawner, waited for.
  absl::StatusOr<Launched> Launch(const LaunchPlan& plan);
  absl::Status Kill(const std::string& guest);
  absl::Status Release(const std::string& guest);
  absl::Status Forget(const std::string& uid);
  absl::StatusOr<std::vector<KnownGuest>> List();
  absl::StatusOr<ContextOffer> Offer();
  absl::StatusOr<UniqueFd> OpenImage(const std::string& pool,
                                     const std::string& name);
  absl::StatusOr<InspectReply> Inspect(int64_t pid);
  absl::StatusOr<std::vector<PoolVolume>> ListVolumes();
  absl::StatusOr<GuestFacts> InspectGuest(const std::string& guest);

  // A plan with console, two monitors and RAM for a QEMU without a guest.
  LaunchPlan QemuPlan(const std::string& guest) const;
  // A plan that runs fake_qemu with `arguments` and a console on 3.
  LaunchPlan FakePlan(const std::string& guest,
                      const std::vector<std::string>& arguments) const;

  // Everything of this instance that exists now: processes with its uids, its
  // control groups, guest directories, journal entries, overlays, what guests
  // keep, mounts.
  std::vector<std::string> Leftovers() const;
  // The directories that a guest has below each hierarchy.
  std::vector<std::string> CgroupsOf(const std::string& guest) const;

  pid_t pid() const { return pid_; }
  std::string dir() const { return dir_; }
  std::string run_dir() const { return dir_ + "/run"; }
  std::string state_dir() const { return dir_ + "/state"; }
  std::string pool_dir() const { return dir_ + "/pool"; }
  std::string guest_dir(const std::string& guest) const {
    return run_dir() + "/guests/" + guest;
  }
  std::string fake_qemu() const { return dir_ + "/fake_qemu"; }
  std::string launcher_binary() const { return dir_ + "/innkeeper-launcher"; }
  std::string instance() const { return instance_; }
  EventLoop* loop() { return &loop_; }
  // The client that the calls above go through; until the next Disconnect().
  Spawner* spawner() { return client_.get(); }

 private:
  std::string dir_;
  std::string instance_;
  pid_t pid_ = 0;
  UniqueFd listener_;
  UniqueFd relay_;  // Its end ends the relay agent.
  EventLoop loop_{"harness"};
  UniqueFd socket_;
  std::unique_ptr<LauncherClient> client_;
};

// Polls `condition` for at most 20 s; whether it came true. This and every
// other wait of a test takes INNKEEPER_TEST_SLOWNESS times as long, if set.
bool Eventually(const std::function<bool()>& condition);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_TESTING_LAUNCHER_HARNESS_H_
