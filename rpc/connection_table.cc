#include "rpc/connection_table.h"

#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace innkeeper {

void ConnectionTable::Insert(absl::string_view peer,
                             std::shared_ptr<Connection> connection) {
  absl::MutexLock lock(&mutex_);
  connections_.insert_or_assign(peer, std::move(connection));
}

void ConnectionTable::Erase(absl::string_view peer) {
  absl::MutexLock lock(&mutex_);
  connections_.erase(peer);
}

std::shared_ptr<Connection> ConnectionTable::Find(
    absl::string_view peer) const {
  absl::MutexLock lock(&mutex_);
  const auto it = connections_.find(peer);
  return it == connections_.end() ? nullptr : it->second;
}

size_t ConnectionTable::size() const {
  absl::MutexLock lock(&mutex_);
  return connections_.size();
}

}  // namespace innkeeper
