// One call to many hosts at once.
#ifndef INNKEEPER_SERVER_SERVICE_HOST_FAN_OUT_H_
#define INNKEEPER_SERVER_SERVICE_HOST_FAN_OUT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "auth/delegation.h"
#include "server/hosts/agent_client.h"
#include "server/inventory/inventory.h"

namespace innkeeper {

template <typename Response>
struct HostAnswer {
  std::string host;  // "h1"
  // What the agent said, or UNAVAILABLE (HOST_UNREACHABLE).
  absl::StatusOr<Response> answer;
};

// Calls `method` with `request` for `caller` on each of `hosts` ("h1"), and
// `done` once, on any thread, when each has answered or `timeout` is over; in
// the order of `hosts`. Does not block; what the client calls back keeps what
// it needs.
template <typename Response, typename Request>
void AskHosts(
    const Inventory& inventory, const std::vector<std::string>& hosts,
    const std::string& method, const Request& request, const Principal& caller,
    absl::Duration timeout,
    absl::AnyInvocable<void(std::vector<HostAnswer<Response>>)> done) {
  struct Round {
    absl::Mutex mutex;
    std::vector<HostAnswer<Response>> answers ABSL_GUARDED_BY(mutex);
    size_t missing ABSL_GUARDED_BY(mutex) = 0;
    absl::AnyInvocable<void(std::vector<HostAnswer<Response>>)> done;

    void Arrive(size_t index, absl::StatusOr<Response> answer)
        ABSL_LOCKS_EXCLUDED(mutex) {
      std::vector<HostAnswer<Response>> all;
      {
        absl::MutexLock lock(&mutex);
        answers[index].answer = std::move(answer);
        if (--missing > 0) return;
        all = std::move(answers);
      }
      done(std::move(all));
    }
  };
  if (hosts.empty()) return done({});
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  {
    absl::MutexLock lock(&round->mutex);
    round->missing = hosts.size();
    for (const std::string& host : hosts) {
      round->answers.push_back({host, absl::UnknownError("")});
    }
  }
  for (size_t i = 0; i < hosts.size(); ++i) {
    const std::string& host = hosts[i];
    absl::Status reachable = inventory.CheckReachable(host);
    const std::shared_ptr<AgentClient> client = inventory.FindClient(host);
    if (reachable.ok() && client == nullptr) {
      reachable = ToHostError(host, absl::UnavailableError("no address"));
    }
    if (!reachable.ok()) {
      round->Arrive(i, reachable);
      continue;
    }
    const Delegation delegation{caller, "", "", inventory.FencingNumber(host)};
    CallAgent<Response>(*client, method, request, delegation, timeout,
                        [round, i, host](absl::StatusOr<Response> answer) {
                          if (!answer.ok())
                            answer = ToHostError(host, answer.status());
                          round->Arrive(i, std::move(answer));
                        });
  }
}

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_HOST_FAN_OUT_H_
