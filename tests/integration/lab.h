// A whole host, as it is installed: launcher, agent, pool, certificates.
#ifndef INNKEEPER_TESTS_INTEGRATION_LAB_H_
#define INNKEEPER_TESTS_INTEGRATION_LAB_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "auth/testing/test_pki.h"
#include "grpcpp/channel.h"
#include "tests/integration/caller.h"

namespace innkeeper {

// Polls `condition` for at most kPatience; whether it came true.
bool Eventually(const std::function<bool()>& condition);

// Every failpoint of `binary`, a path in the runfiles.
std::vector<std::string> FailpointsOf(const std::string& binary);

// Needs root. Runs the real binaries below a directory of its own, with uids
// that no other lab has. user/admin is admin, user/operator operator,
// user/viewer viewer of all; user/tenant-a and user/tenant-b own their guests.
// The destructor stops the host, fails the test if anything is left of it, and
// removes the directory. Not thread-safe, but for what Callers do.
class Lab {
 public:
  Lab();
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  // Guests run tests/fake_qemu. Before Start.
  void UseFakeQemu();
  // Puts the test guest's kernel, initrd and disks into pool "main".
  // FAILED_PRECONDITION if INNKEEPER_TEST_GUEST names no directory that
  // tests/guest/make-guest has filled.
  absl::Status AddTestGuest();
  // A disk of `bytes` zeros in pool "main".
  void AddDisk(const std::string& name, int64_t bytes);
  // What guests may have in all. Default: 8 GiB and 64 vCPUs.
  void SetCapacity(int64_t memory_bytes, int vcpus);
  // Adds `text` to the agent's configuration. Before Start.
  void AddConfig(absl::string_view text);
  // The agent enrols with `token` instead of having a certificate, and listens
  // on `port` of 127.0.0.1. Only AsRoot reaches it directly, then. Before
  // Start.
  void Join(const std::string& token, int port);
  // Launchers that start from now on are given `flag`, too.
  void AddLauncherFlag(const std::string& flag);
  // Agents that start from now on read the leases of `network` from `file`.
  void AddLeases(const std::string& network, const std::string& file);
  // Agents that start from now on may open `limit` descriptors.
  void LimitAgentFiles(int limit);

  // Starts launcher and agent; returns once the agent serves.
  absl::Status Start();
  // The same without waiting.
  void Begin();
  // Waits until the agent that the launcher started last serves.
  absl::Status AwaitAgent();
  // SIGTERM; guests live on. Whether the launcher ended as it should.
  absl::Status Stop();
  // SIGKILL to launcher and agent.
  void KillAll();
  // SIGKILL to the agent; returns once the launcher knows. It starts another.
  void KillAgent();
  // Removes the agent's database. While no agent runs.
  void DeleteDatabase();

  // The next agent that starts dies at `failpoint`, those after it do not.
  void ArmFailpoint(const std::string& failpoint);
  // Whether one died there since ArmFailpoint, and the launcher knows.
  bool FailpointReached() const;
  // Every failpoint of the agent's binary.
  static std::vector<std::string> AgentFailpoints();

  // The next launcher that starts dies at `failpoint`.
  void ArmLauncherFailpoint(const std::string& failpoint);
  // Whether it died there, and the agent with it: Start brings both back.
  bool LauncherFailpointReached();
  // Every failpoint of the launcher's binary.
  static std::vector<std::string> LauncherFailpoints();

  // By mutual TLS, with a certificate of `principal`. Made anew for each agent:
  // the port changes.
  Caller As(absl::string_view principal) const;
  std::shared_ptr<grpc::Channel> ChannelAs(absl::string_view principal) const;
  // The same with any certificate, trusting our root.
  std::shared_ptr<grpc::Channel> ChannelWith(
      const TestCertificate& certificate) const;
  // Root on the unix socket.
  Caller AsRoot() const;

  // Of the host, as in "hosts/NAME".
  const std::string& name() const { return instance_; }
  const TestPki& pki() const { return *pki_; }
  // "127.0.0.1:PORT"
  const std::string& address() const { return address_; }
  // Of this machine's users, as clients name it.
  std::string local_address() const {
    return "unix:" + dir_ + "/agent/agent.sock";
  }
  std::string ca_file() const { return dir_ + "/agent/tls/ca.pem"; }
  pid_t agent_pid() const;
  // Its uid and gid.
  uid_t agent_uid() const { return agent_uid_; }
  // The most memory that the agent has had since the last ResetAgentPeak, in
  // bytes: resident pages, its libraries' included.
  int64_t AgentPeakBytes() const;
  void ResetAgentPeak() const;
  std::string pool_dir() const { return dir_ + "/pool"; }
  // What the launcher keeps of `guest`: its sockets, logs and exit record.
  std::string GuestDir(const std::string& guest) const {
    return dir_ + "/run/guests/" + guest;
  }

  // What the launcher keeps for the guest with this uid while it is stopped.
  std::string StateDir(const std::string& uid) const {
    return dir_ + "/state/guests/" + uid;
  }

  // What exists of guests, seen from outside: processes, control groups,
  // directories, journal entries, overlays, mounts.
  std::vector<std::string> Leftovers() const;
  // Waits for all of that to be gone; fails the test if it does not go.
  void CheckNothingLeft() const;
  // A line for each call that reached the gate.
  std::string AuditLog() const;
  // Everything that launcher and agents have logged.
  std::string Log() const;

 private:
  // Processes with our uids or binaries, but for launcher and agent, too, if
  // `all`.
  std::vector<pid_t> Processes(bool all) const;
  std::vector<std::string> Cgroups() const;
  void InstallBinaries();
  // A directory of the agent's for keys and certificates.
  void OwnTls() const;
  void WriteConfig();
  // Ends and removes what a failed test has left, so that it stays alone.
  void Purge();

  std::string dir_;
  std::string instance_;
  uid_t agent_uid_ = 0;  // The guests' uids follow it.
  std::string qemu_ = "/usr/bin/qemu-system-x86_64";
  int64_t memory_bytes_ = int64_t{8} << 30;
  int vcpus_ = 64;
  bool joins_ = false;
  std::vector<std::string> launcher_flags_;
  std::string more_config_;  // Of the agent.
  int port_ = 0;
  std::unique_ptr<TestPki> pki_;
  mutable int certificates_ = 0;
  pid_t launcher_ = 0;
  size_t log_start_ = 0;  // Of what the present launcher logs.
  size_t armed_at_ = 0;
  std::string launcher_failpoint_;
  std::string address_;
};

// Linux from what AddTestGuest brings, with an ephemeral copy of its disk. It
// boots at once.
v1::LaunchGuestRequest LinuxGuest(absl::string_view id,
                                  absl::string_view owner);

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_LAB_H_
