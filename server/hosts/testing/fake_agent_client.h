// An agent in memory, for tests of what talks to agents. Testonly.
#ifndef INNKEEPER_SERVER_HOSTS_TESTING_FAKE_AGENT_CLIENT_H_
#define INNKEEPER_SERVER_HOSTS_TESTING_FAKE_AGENT_CLIENT_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "google/longrunning/operations.pb.h"
#include "server/hosts/agent_client.h"

namespace innkeeper {

// What the agent knows; it survives its clients, as an agent survives servers.
// Thread-safe.
class FakeAgent {
 public:
  explicit FakeAgent(std::string name) : name_(std::move(name)) {}

  // A client of this agent.
  std::unique_ptr<AgentClient> NewClient();

  // While set, calls fail and streams end.
  void SetUnreachable(bool unreachable) ABSL_LOCKS_EXCLUDED(mutex_);
  // The answer to LaunchGuest from now on; OK: as an agent would.
  void SetLaunchError(absl::Status error) ABSL_LOCKS_EXCLUDED(mutex_);
  // The next LaunchGuest is carried out, and its answer is lost.
  void LoseNextAnswer() ABSL_LOCKS_EXCLUDED(mutex_);
  // Sent with the host at the beginning of each stream.
  void SetHost(v1::Host host) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddGuest(const v1::Guest& guest) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveGuest(const std::string& uid) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the present stream without a word to its reader.
  void Hang() ABSL_LOCKS_EXCLUDED(mutex_);

  // LaunchGuests carried out, by operation uuid.
  std::map<std::string, int> launches() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Streams begun so far.
  int streams() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class FakeAgentClient;
  struct Stream {
    AgentClient::InventoryHandler handler;
  };

  absl::StatusOr<std::string> Answer(
      const std::string& method, const std::string& request,
      const std::optional<Delegation>& delegation) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::string> Launch(const std::string& request,
                                     const std::optional<Delegation>& by)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Start(std::shared_ptr<Stream> stream) ABSL_LOCKS_EXCLUDED(mutex_);
  void Send(const agent::v1::WatchInventoryResponse& message)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string name_;
  mutable absl::Mutex mutex_;
  bool unreachable_ ABSL_GUARDED_BY(mutex_) = false;
  bool lose_answer_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status launch_error_ ABSL_GUARDED_BY(mutex_);
  v1::Host host_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Guest> guests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, google::longrunning::Operation> operations_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> launches_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_TESTING_FAKE_AGENT_CLIENT_H_
