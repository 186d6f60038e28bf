// One long-running operation of the cluster, as the server keeps it.
#ifndef INNKEEPER_SERVER_OPERATIONS_CLUSTER_OPERATION_H_
#define INNKEEPER_SERVER_OPERATIONS_CLUSTER_OPERATION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/txn.h"

namespace innkeeper {

// A value. Bytes are the caller's: nothing here looks into them.
struct ClusterOperation {
  std::string name;       // "operations/UUID"; the agent's has the same name.
  std::string method;     // "innkeeper.v1.Guests/LaunchGuest"
  std::string caller;     // "user/tenant-a"
  std::string delegate;   // Who forwarded it, "gateway/g1"; may be empty.
  std::string guest;      // Id of the guest it is about; may be empty.
  std::string guest_uid;  // Its UUID; may be empty.
  std::string owner;      // Of the guest, "user/tenant-a"; may be empty.
  std::string host;       // Where it runs, "h1"; empty until that is known.
  std::string step;       // The last step begun; meaning is the method's.
  std::string request;    // What is needed to resume; dropped when done.
  bool cancel_requested = false;
  bool done = false;
  std::string response;  // When done, and `error` is OK.
  absl::Status error;    // When done. Payloads are kept.
  absl::Time create_time = absl::UnixEpoch();
  absl::Time update_time = absl::UnixEpoch();
  absl::Time done_time = absl::UnixEpoch();  // The epoch until done.
  // Of the last update; tells its writer's from all others.
  std::string update_id;
  // In the store; not part of the stored value.
  int64_t mod_revision = 0;
};

// The value to store. Times are kept to the microsecond.
std::string SerializeOperation(const ClusterOperation& operation);

// DATA_LOSS (INTERNAL), naming the key, if `kv` holds no operation.
absl::StatusOr<ClusterOperation> ParseOperation(const KeyValue& kv);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_OPERATIONS_CLUSTER_OPERATION_H_
