// The server's own events: hosts that come, go and fall silent.
#ifndef INNKEEPER_SERVER_INVENTORY_SERVER_LOG_H_
#define INNKEEPER_SERVER_INVENTORY_SERVER_LOG_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/executor.h"
#include "catalog/position.h"
#include "innkeeper/v1/events.pb.h"
#include "server/store/store.h"

namespace innkeeper {

// One more log beside those of the hosts, under the host name "server", kept in
// the store: at most 100,000 events and 24 h. Thread-safe; no method but Create
// blocks. `store` must outlive it.
class ServerLog {
 public:
  static constexpr char kHost[] = "server";
  static constexpr int64_t kMaxEvents = 100'000;

  using Sink = std::function<void(v1::Event)>;

  // Reads where the log ends; blocks.
  static absl::StatusOr<std::unique_ptr<ServerLog>> Create(Store* store,
                                                           const Clock* clock);
  // Writes what was appended.
  ~ServerLog() = default;

  // Where the log ended when it was opened.
  const Position& head() const { return opened_at_; }

  // `sink` gets each event once it is durable, in order. Before any Append.
  void SetSink(Sink sink) { sink_ = std::move(sink); }
  // Returns once the sink is not running and will not run again. Blocks.
  void ClearSink();

  // Notes that `type` ("host.enrolled") happened to `host` ("h1"). `caller` may
  // be empty. An event that cannot be stored is logged and lost.
  void Append(absl::string_view type, absl::string_view host,
              absl::string_view caller, absl::string_view message);

  // As EventHistory::Read.
  void Read(const Position& after, int limit,
            Completion<std::vector<v1::Event>> done);

  // Deletes what is too old; to be called every few minutes.
  void CollectGarbage();

 private:
  ServerLog(Store* store, const Clock* clock, Position head);

  // These run on the worker.
  absl::Status Write(v1::Event event);
  absl::StatusOr<std::vector<v1::Event>> ReadNow(const Position& after,
                                                 int limit);
  absl::Status DeleteOld();

  Store* const store_;
  const Clock* const clock_;
  const Position opened_at_;
  Sink sink_;
  Position head_;  // The worker's.
  // One thread, so that events are written in order. Last: it uses the rest.
  Executor worker_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_INVENTORY_SERVER_LOG_H_
