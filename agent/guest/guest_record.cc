#include "agent/guest/guest_record.h"

namespace innkeeper {

bool operator==(const GuestRecord& a, const GuestRecord& b) {
  return a.id == b.id && a.uid == b.uid && a.owner == b.owner &&
         a.requested_by == b.requested_by && a.origin == b.origin &&
         a.spec == b.spec && a.spec_digest == b.spec_digest &&
         a.state == b.state && a.state_reason == b.state_reason &&
         a.exit == b.exit && a.process == b.process &&
         a.resolved_machine_type == b.resolved_machine_type &&
         a.accel_used == b.accel_used && a.accel_reason == b.accel_reason &&
         a.create_time == b.create_time && a.start_time == b.start_time &&
         a.update_time == b.update_time && a.revision == b.revision &&
         a.etag == b.etag && a.last_operation == b.last_operation;
}

}  // namespace innkeeper
