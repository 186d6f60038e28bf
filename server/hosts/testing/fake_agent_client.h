// An agent in memory, for tests of what talks to agents. Testonly.
#ifndef INNKEEPER_SERVER_HOSTS_TESTING_FAKE_AGENT_CLIENT_H_
#define INNKEEPER_SERVER_HOSTS_TESTING_FAKE_AGENT_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "google/longrunning/operations.pb.h"
#include "server/hosts/agent_client.h"

namespace innkeeper {

// What the agent knows; it survives its clients, as an agent survives servers.
// Unless told otherwise it does what it is asked at once: operations are done
// when they are answered. Thread-safe.
class FakeAgent {
 public:
  // A call as it came.
  struct Received {
    std::string method;
    std::string request;
    std::optional<Delegation> delegation;
    absl::Duration timeout;
  };
  // A console as it was attached.
  struct Attached {
    v1::AttachSerialRequest first;
    Delegation delegation;
    std::shared_ptr<AgentClient::Console> stream;
  };
  using Answerer = std::function<absl::StatusOr<std::string>(const Received&)>;

  explicit FakeAgent(std::string name) : name_(std::move(name)) {}

  // A client of this agent.
  std::unique_ptr<AgentClient> NewClient();

  // While set, calls fail and streams end.
  void SetUnreachable(bool unreachable) ABSL_LOCKS_EXCLUDED(mutex_);
  // The answer to LaunchGuest from now on; OK: as an agent would.
  void SetLaunchError(absl::Status error) ABSL_LOCKS_EXCLUDED(mutex_);
  // The next LaunchGuest is carried out, and its answer is lost.
  void LoseNextAnswer() ABSL_LOCKS_EXCLUDED(mutex_);
  // What answers the calls whose method ends in `method` ("/StopGuest") from
  // now on. It must not call this agent.
  void SetAnswer(const std::string& method, Answerer answer)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Operations that begin from now on are not done, but at `step`.
  void HoldOperations(const std::string& step) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends what is held, with `outcome`; what begins from now on is not held.
  void ReleaseOperations(const absl::Status& outcome = absl::OkStatus())
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Its database is lost: it knows no operation any more.
  void ForgetOperations() ABSL_LOCKS_EXCLUDED(mutex_);

  // Sent with the host at the beginning of each stream.
  void SetHost(v1::Host host) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddGuest(const v1::Guest& guest) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveGuest(const std::string& uid) ABSL_LOCKS_EXCLUDED(mutex_);
  // The next event of its log, which gives it its place.
  void AddEvent(v1::Event event) ABSL_LOCKS_EXCLUDED(mutex_);
  // Events up to `sequence` are kept no longer.
  void DropEvents(int64_t sequence) ABSL_LOCKS_EXCLUDED(mutex_);
  // Says that it is alive.
  void Beat() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the present stream without a word to its reader.
  void Hang() ABSL_LOCKS_EXCLUDED(mutex_);

  // LaunchGuests carried out, by operation uuid.
  std::map<std::string, int> launches() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The calls so far whose method ends in `method`.
  std::vector<Received> received(absl::string_view method) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<Attached> attached() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Streams begun so far.
  int streams() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class FakeAgentClient;
  using Operation = google::longrunning::Operation;
  struct Stream {
    AgentClient::InventoryHandler handler;
  };
  struct Waiter {
    std::string operation;
    Completion<std::string> done;
  };

  void Take(const Received& call, Completion<std::string> done)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Take(Attached console) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::string> Answer(const Received& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> Launch(const Received& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> Change(const Received& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> ListEvents(const Received& call) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> Find(const std::string& operation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What `operation` looks like while it is held, or done with `response`.
  Operation Begin(const std::string& uuid,
                  const google::protobuf::Message& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Put(const v1::Guest& guest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Start(std::shared_ptr<Stream> stream) ABSL_LOCKS_EXCLUDED(mutex_);
  // Sends what was put since the last time.
  void Flush() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string name_;
  mutable absl::Mutex mutex_;
  bool unreachable_ ABSL_GUARDED_BY(mutex_) = false;
  bool lose_answer_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status launch_error_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Answerer> answerers_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::string> held_step_ ABSL_GUARDED_BY(mutex_);
  v1::Host host_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Guest> guests_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Operation> operations_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, google::protobuf::Any> held_responses_
      ABSL_GUARDED_BY(mutex_);
  std::vector<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Event> events_ ABSL_GUARDED_BY(mutex_);
  int64_t dropped_events_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> launches_ ABSL_GUARDED_BY(mutex_);
  std::vector<Received> received_ ABSL_GUARDED_BY(mutex_);
  std::vector<Attached> attached_ ABSL_GUARDED_BY(mutex_);
  std::vector<agent::v1::WatchInventoryResponse> unsent_
      ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_TESTING_FAKE_AGENT_CLIENT_H_
