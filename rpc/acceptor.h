// Takes every connection before gRPC does.
#ifndef INNKEEPER_RPC_ACCEPTOR_H_
#define INNKEEPER_RPC_ACCEPTOR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "grpcpp/server_builder.h"
#include "rpc/bucket_table.h"
#include "rpc/connection.h"
#include "rpc/connection_table.h"
#include "rpc/listener.h"
#include "rpc/relay.h"
#include "rpc/source_limiter.h"

namespace innkeeper {

// Listens, accepts and relays on a thread of its own. gRPC gets one end of a
// socketpair for each connection; the other end has a name that the kernel
// made, by which the gate finds the connection in the table.
//
// It holds what strangers can do within bounds: descriptors (the newest is shed
// when they run short, and a reserve stays free for the rest of the process),
// connections that have not shown who they are, and the bytes a second of each
// source and principal, however many connections they come by. Construct,
// listen, Start, StopAccepting, destroy; all from one thread.
class Acceptor {
 public:
  struct Options {
    // Connections of one source (address, IPv6 /64, unix uid) on which nobody
    // was identified yet. Others of that source are refused meanwhile.
    int max_unidentified_per_source = 20;
    // Of all sources, identified or not.
    size_t max_connections = 4096;
    // Descriptors that are left to the rest of the process; at most a quarter
    // of RLIMIT_NOFILE.
    size_t reserved_fds = 64;
    // A client that has sent nothing by then is cut off. gRPC's own deadline
    // ends handshakes that began and do not end.
    absl::Duration silence_limit = absl::Seconds(3);
    // A connection without a call by then is cut off.
    absl::Duration identify_limit = absl::Seconds(30);
    // Of unix sockets.
    mode_t unix_mode = 0666;
  };

  // `table` must outlive it.
  Acceptor(Options options, ConnectionTable* table);
  // Cuts every connection off.
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Before Start(). As ListenTcp and ListenUnix of rpc/listener.h.
  absl::Status ListenTcp(absl::string_view address);
  absl::Status ListenUnix(absl::string_view path);
  // Where it listens, in the order of the calls above, with real ports.
  std::vector<std::string> addresses() const;

  using Sink = grpc::experimental::ExternalConnectionAcceptor;
  // Accepts from now on. Connections to TCP go to `tcp`, others to `local`;
  // each may be null if there is no such listener. The server that they belong
  // to has been started, and is shut down after StopAccepting().
  void Start(std::unique_ptr<Sink> tcp, std::unique_ptr<Sink> local);

  // Accepts nothing more; connections that are there stay. Waits for the
  // connection that is being accepted.
  void StopAccepting();

  // Ends each connection as soon as nothing has moved on it for kQuiet, as if
  // its client had gone. Does not wait. After StopAccepting().
  void EndQuiet();
  static constexpr absl::Duration kQuiet = absl::Milliseconds(150);

  // Ends every connection whose server has ended it, once the client has been
  // given what the server said. Waits for that, but not beyond `limit`. After
  // the server was shut down.
  void Finish(absl::Duration limit);

  // Connections refused or cut off so far, for whatever reason.
  int64_t shed() const { return shed_.load(std::memory_order_relaxed); }

 private:
  struct Port {
    Listener listener;
    bool is_unix;
    bool watched = false;
  };
  struct Entry {
    std::string key;
    std::shared_ptr<Connection> connection;
    std::unique_ptr<Relay> relay;
  };

  void Watch(Port* port);
  void OnReadable(Port* port);
  // False if there is nothing more to accept now.
  bool AcceptOne(Port* port);
  void ShedWithoutDescriptors(Port* port);
  void Admit(Port* port, UniqueFd client, const sockaddr_storage& address);
  void Hand(Port* port, UniqueFd client, std::string address,
            std::optional<UnixPeer> unix_peer, absl::string_view source,
            SourceLimiter::Slot slot);
  void ExpectCall(uint64_t id);
  void ExpectQuiet(uint64_t id);
  void Shed(UniqueFd client);
  void Cut(uint64_t id);
  void Forget(uint64_t id);

  const Options options_;
  ConnectionTable* const table_;
  SourceLimiter limiter_;
  const std::shared_ptr<BucketTable> buckets_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<Sink> tcp_;
  std::unique_ptr<Sink> local_;
  std::atomic<int64_t> shed_{0};

  // The rest is used on the loop's thread only.
  UniqueFd spare_;
  size_t fd_limit_ = 0;
  const std::unique_ptr<char[]> scratch_;
  uint64_t next_id_ = 1;
  absl::flat_hash_map<uint64_t, Entry> entries_;
  // Runs when the last of them goes.
  absl::AnyInvocable<void()> on_empty_;
  // Last, so that it stops first.
  std::unique_ptr<EventLoop> loop_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_ACCEPTOR_H_
