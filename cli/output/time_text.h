// Times of messages as text.
#ifndef INNKEEPER_CLI_OUTPUT_TIME_TEXT_H_
#define INNKEEPER_CLI_OUTPUT_TIME_TEXT_H_

#include <string>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace innkeeper {

absl::Time ToTime(const google::protobuf::Timestamp& time);

// RFC 3339 in UTC, to the second.
std::string TimeText(const google::protobuf::Timestamp& time);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_OUTPUT_TIME_TEXT_H_
