// Finds the connection that a call came by.
#ifndef INNKEEPER_RPC_CONNECTION_TABLE_H_
#define INNKEEPER_RPC_CONNECTION_TABLE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "rpc/connection.h"

namespace innkeeper {

// Thread-safe. The keys are what grpc::ServerContext::peer() answers:
// "unix-abstract:0001a", the name that the kernel gave to the acceptor's end.
class ConnectionTable {
 public:
  void Insert(absl::string_view peer, std::shared_ptr<Connection> connection)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Erase(absl::string_view peer) ABSL_LOCKS_EXCLUDED(mutex_);
  // Null if there is none: the call did not come through the acceptor.
  std::shared_ptr<Connection> Find(absl::string_view peer) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A leaf lock.
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Connection>> connections_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_CONNECTION_TABLE_H_
