#include "cli/output/time_text.h"

#include <string>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace innkeeper {

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) +
         absl::Nanoseconds(time.nanos());
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", ToTime(time),
                          absl::UTCTimeZone());
}

}  // namespace innkeeper
