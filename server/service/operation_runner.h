// Carries the cluster's operations out, at the agents.
#ifndef INNKEEPER_SERVER_SERVICE_OPERATION_RUNNER_H_
#define INNKEEPER_SERVER_SERVICE_OPERATION_RUNNER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/event_loop.h"
#include "base/executor.h"
#include "google/longrunning/operations.pb.h"
#include "server/inventory/inventory.h"
#include "server/operations/operation_manager.h"
#include "server/service/guest_claims.h"

namespace innkeeper {

// An operation is recorded, then sent to its host under its own name, then
// waited for. After a break of any kind the agent is first asked whether it
// knows the operation: it is sent again only if not. An agent that does not
// answer is asked again until the operation's life is over.
//
// Thread-safe. The loop and the executor outlive it; after its end nothing of
// it runs.
class OperationRunner {
 public:
  struct Parts {
    EventLoop* loop;
    Executor* executor;
    OperationManager* operations;
    Inventory* inventory;
    GuestClaims* claims;
    const Clock* clock;
    // How long an agent that does not answer is asked.
    absl::Duration life = absl::Hours(1);
    // Between two tries; doubles up to the longest.
    absl::Duration shortest_pause = absl::Milliseconds(200);
    absl::Duration longest_pause = absl::Seconds(5);
  };

  explicit OperationRunner(const Parts& parts);
  ~OperationRunner();

  // Carries out an operation that was recorded and not sent yet. `accepted` may
  // be empty; it is told once: OK when the agent has taken the operation on or
  // cannot be asked now, or the error by which it refused.
  void Run(const std::string& name, StatusCompletion accepted);

  // Goes on with every operation that an earlier server left unfinished.
  void ResumeAll();

 private:
  struct Task;
  using TaskPtr = std::shared_ptr<Task>;
  using Step = void (OperationRunner::*)(const TaskPtr&);

  // Runs `step` on a worker, and ends with this.
  void Do(const TaskPtr& task, Step step);
  void DoLater(const TaskPtr& task, Step step);
  // These run on a worker.
  void Ask(const TaskPtr& task);
  void Send(const TaskPtr& task);
  void Wait(const TaskPtr& task);
  void AwaitShown(const TaskPtr& task);
  void Finish(const TaskPtr& task);

  void OnAgentOperation(const TaskPtr& task,
                        const google::longrunning::Operation& operation);
  void OnLost(const TaskPtr& task);
  void OnTrouble(const TaskPtr& task, const absl::Status& status);
  // Whether the list shows what the operation came to: whoever sees it done
  // must not find an older guest.
  bool IsShown(const Task& task) const;
  void SetResult(const TaskPtr& task, absl::StatusOr<std::string> result);
  void NoteStep(const TaskPtr& task, const std::string& step);
  // Null, with the task ended, if the host is gone.
  std::shared_ptr<AgentClient> ClientOf(const TaskPtr& task);
  template <typename Response>
  Completion<Response> Then(
      const TaskPtr& task,
      std::function<void(const TaskPtr&, absl::StatusOr<Response>)> next);

  const Parts parts_;
  // What comes back from an agent finds out by this whether anybody waits.
  struct Alive;
  const std::shared_ptr<Alive> alive_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_OPERATION_RUNNER_H_
