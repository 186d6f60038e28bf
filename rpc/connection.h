// One connection of a client, as the acceptor knows it.
#ifndef INNKEEPER_RPC_CONNECTION_H_
#define INNKEEPER_RPC_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "rpc/bucket_table.h"
#include "rpc/pace.h"
#include "rpc/source_limiter.h"
#include "rpc/verified_peer.h"

namespace innkeeper {

// Who is at the other end of a unix socket (SO_PEERCRED).
struct UnixPeer {
  int32_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// Thread-safe.
class Connection {
 public:
  // `slot` counts it among the unidentified connections of `source`, whose
  // bucket of `buckets` it shares.
  Connection(std::string address, std::string listener,
             std::optional<UnixPeer> unix_peer, absl::string_view source,
             SourceLimiter::Slot slot, std::shared_ptr<BucketTable> buckets);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // "192.0.2.7:41234", "[2001:db8::7]:41234" or "unix:uid=1000,pid=17".
  const std::string& address() const { return address_; }
  // The address that it came to.
  const std::string& listener() const { return listener_; }
  // Empty for TCP.
  const std::optional<UnixPeer>& unix_peer() const { return unix_peer_; }

  // What the client may send, in bytes. Without limit for unix sockets.
  Pace& pace() { return pace_; }

  // Who the other end is: made by `make` when it is asked for first, then kept.
  // An error is not kept. A connection whose peer is known no longer counts
  // against its source: servers and gateways, which carry the calls of many,
  // are without limit, and others share the bucket of their principal.
  absl::StatusOr<std::shared_ptr<const VerifiedPeer>> GetPeer(
      absl::AnyInvocable<absl::StatusOr<VerifiedPeer>()> make)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool identified() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::string address_;
  const std::string listener_;
  const std::optional<UnixPeer> unix_peer_;
  const std::shared_ptr<BucketTable> buckets_;
  Pace pace_;
  mutable absl::Mutex mutex_;
  SourceLimiter::Slot slot_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const VerifiedPeer> peer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_CONNECTION_H_
