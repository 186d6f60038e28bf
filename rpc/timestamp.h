// Times as the API tells them.
#ifndef INNKEEPER_RPC_TIMESTAMP_H_
#define INNKEEPER_RPC_TIMESTAMP_H_

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace innkeeper {

// Cut to whole nanoseconds, towards the past. `time` is finite.
google::protobuf::Timestamp ToTimestamp(absl::Time time);

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_TIMESTAMP_H_
