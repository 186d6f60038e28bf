// Turns what the supervisor knows of an operation into the API's bytes, so that
// the domain needs no public messages.
#ifndef INNKEEPER_AGENT_SUPERVISOR_OPERATION_ENCODER_H_
#define INNKEEPER_AGENT_SUPERVISOR_OPERATION_ENCODER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/guest/guest_record.h"

namespace innkeeper {

// An operation on a guest.
struct OperationFacts {
  std::string verb;  // "launch"
  std::string guest;
  std::string guest_uid;
  std::string caller;
  std::string step;
  absl::Time create_time = absl::UnixEpoch();
  absl::Time end_time = absl::InfiniteFuture();  // Until it ends.
};

// Thread-safe.
class OperationEncoder {
 public:
  virtual ~OperationEncoder() = default;

  // OperationRecord::metadata.
  virtual std::string Metadata(const OperationFacts& facts) const = 0;
  // The facts again, from such bytes; what does not parse comes back empty.
  virtual OperationFacts ParseMetadata(const std::string& bytes) const = 0;
  // OperationRecord::result for an operation that ends with a guest.
  virtual std::string Result(const GuestRecord& guest) const = 0;
  // OperationRecord::result for one that ends with nothing.
  virtual std::string EmptyResult() const = 0;
  // OperationRecord::error; `status` is not OK.
  virtual std::string Error(const absl::Status& status) const = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SUPERVISOR_OPERATION_ENCODER_H_
