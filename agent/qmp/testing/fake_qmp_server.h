// A QEMU monitor that does what a test tells it to.
#ifndef INNKEEPER_AGENT_QMP_TESTING_FAKE_QMP_SERVER_H_
#define INNKEEPER_AGENT_QMP_TESTING_FAKE_QMP_SERVER_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace innkeeper {

// Thread-safe; speaks from a thread of its own, to one client at a time. Left
// alone it greets as QEMU 7.2.22, accepts qmp_capabilities, and answers every
// other command with CommandNotFound. What is said about a command holds until
// it is said differently.
class FakeQmpServer {
 public:
  static constexpr absl::string_view kGreeting =
      R"({"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, )"
      R"("package": "fake"}, "capabilities": ["oob"]}})"
      "\r\n";

  FakeQmpServer();
  // Hangs up.
  ~FakeQmpServer();
  FakeQmpServer(const FakeQmpServer&) = delete;
  FakeQmpServer& operator=(const FakeQmpServer&) = delete;

  // The script. Before Connect or Listen:
  // Says `bytes` to each client instead of the greeting; empty: says nothing.
  void SetGreeting(absl::string_view bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // At any time:
  void Reply(absl::string_view command, const nlohmann::json& value)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Fail(absl::string_view command, absl::string_view error_class,
            absl::string_view description) ABSL_LOCKS_EXCLUDED(mutex_);
  // Says `bytes` for an answer; each "$ID" in it becomes the command's id.
  void ReplyRaw(absl::string_view command, absl::string_view bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Reads the command and says nothing.
  void Ignore(absl::string_view command) ABSL_LOCKS_EXCLUDED(mutex_);

  // A client's end of a socket pair; the other end is served at once. Once.
  UniqueFd Connect() ABSL_LOCKS_EXCLUDED(mutex_);
  // Serves clients of a unix socket at `path`, one after the other. Once.
  absl::Status Listen(const std::string& path) ABSL_LOCKS_EXCLUDED(mutex_);

  // The four below return at once and are done in order. They wait for a client
  // if there is none.
  void Send(absl::string_view bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void SendEvent(absl::string_view name, const nlohmann::json& data)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Says `bytes` over and over, as fast as the client reads, until it hangs up
  // or the server is destroyed; reads nothing meanwhile.
  void Flood(absl::string_view bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the connection.
  void HangUp() ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits at most 10 s until `count` commands beside qmp_capabilities have
  // arrived, and returns those that have.
  std::vector<nlohmann::json> WaitForCommands(size_t count)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether the client hung up within `timeout`.
  bool WaitForHangUp(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Something to do once there is a client.
  struct Action {
    enum { kSend, kFlood, kHangUp } what;
    std::string bytes;
  };

  void Do(Action action) ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake();
  // The thread's part.
  void Serve() ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeNewSockets() ABSL_LOCKS_EXCLUDED(mutex_);
  void StartClient(UniqueFd client) ABSL_LOCKS_EXCLUDED(mutex_);
  void DoActions() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReadCommands() ABSL_LOCKS_EXCLUDED(mutex_);
  void Answer(const std::string& line) ABSL_LOCKS_EXCLUDED(mutex_);
  // False once the client is gone or the server stops.
  bool SendAll(absl::string_view bytes);

  const UniqueFd wake_;
  std::atomic<bool> stopping_{false};

  // The thread's own.
  UniqueFd listener_;
  UniqueFd client_;
  std::string input_;

  absl::Mutex mutex_;
  std::string greeting_ ABSL_GUARDED_BY(mutex_);
  // Command to the bytes of its answer.
  std::map<std::string, std::string> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<nlohmann::json> commands_ ABSL_GUARDED_BY(mutex_);
  std::deque<Action> actions_ ABSL_GUARDED_BY(mutex_);
  UniqueFd new_listener_ ABSL_GUARDED_BY(mutex_);
  UniqueFd new_client_ ABSL_GUARDED_BY(mutex_);
  // The client hung up.
  bool hung_up_ ABSL_GUARDED_BY(mutex_) = false;

  // Last: it uses all of the above.
  std::thread thread_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_TESTING_FAKE_QMP_SERVER_H_
