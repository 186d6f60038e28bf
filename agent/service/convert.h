// Agent's domain values <-> the API's messages.
#ifndef INNKEEPER_AGENT_SERVICE_CONVERT_H_
#define INNKEEPER_AGENT_SERVICE_CONVERT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/guest/guest_record.h"
#include "agent/store/store_types.h"
#include "base/error.h"
#include "google/longrunning/operations.pb.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

// What lists and watches show of `record`. `host` is "hosts/h1"; `operation` is
// the one that is changing it, or empty.
v1::Guest ToGuest(const GuestRecord& record, const std::string& host,
                  bool unresponsive, const std::string& operation);

// The spec of a launch; faults that a GuestSpec cannot even hold (a bad volume
// name, an unknown enum value) go into `faults`, with paths under `prefix`.
GuestSpec ParseSpec(const v1::Guest& guest, const std::string& prefix,
                    std::vector<FieldViolation>* faults);

// A new record from a launch: id, uid, owner and spec. INVALID_ARGUMENT with
// every fault at once. `default_owner` stands in for an empty owner.
absl::StatusOr<GuestRecord> ParseLaunch(const v1::LaunchGuestRequest& request,
                                        const std::string& uid,
                                        const std::string& default_owner);

// What the operations service answers. DATA_LOSS for bytes that are not what
// was stored.
absl::StatusOr<google::longrunning::Operation> ToOperation(
    const OperationRecord& record);

v1::Event ToEvent(const EventRecord& record, const std::string& host,
                  int64_t epoch);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_CONVERT_H_
