#include "rpc/timestamp.h"

#include <cstdint>

#include "absl/time/time.h"

namespace innkeeper {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  // Rounds down, so that what is left over is never negative.
  const int64_t seconds = absl::ToUnixSeconds(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

}  // namespace innkeeper
