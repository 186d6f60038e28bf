// All that this host remembers of one guest.
#ifndef INNKEEPER_AGENT_GUEST_GUEST_RECORD_H_
#define INNKEEPER_AGENT_GUEST_GUEST_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/guest/guest_spec.h"
#include "agent/guest/guest_state.h"

namespace innkeeper {

// How the guest came to be known. The values are stored on disk.
enum class GuestOrigin : uint8_t { kLaunched = 1 };

// How QEMU ended. The values are stored on disk.
enum class ExitKind : uint8_t {
  kExited = 1,    // `value` is the exit code.
  kSignaled = 2,  // `value` is the signal.
  kLost = 3,      // Gone while nobody looked; `value` is 0.
};

struct GuestExit {
  ExitKind kind = ExitKind::kLost;
  int32_t value = 0;
  absl::Time time = absl::UnixEpoch();

  friend bool operator==(const GuestExit& a, const GuestExit& b) {
    return a.kind == b.kind && a.value == b.value && a.time == b.time;
  }
};

// Which process the guest is. (boot_id, pid, start_time_ticks) is never reused.
struct GuestProcess {
  int64_t pid = 0;  // As the host counts.
  int64_t keeper_pid = 0;
  uint32_t unix_uid = 0;
  uint32_t unix_gid = 0;
  uint64_t start_time_ticks = 0;  // Field 22 of /proc/PID/stat.
  std::string boot_id;
  // The host's devices of the spec's networks, in their order; as far as known.
  std::vector<std::string> taps = {};

  friend bool operator==(const GuestProcess& a, const GuestProcess& b) {
    return a.pid == b.pid && a.keeper_pid == b.keeper_pid &&
           a.unix_uid == b.unix_uid && a.unix_gid == b.unix_gid &&
           a.start_time_ticks == b.start_time_ticks && a.boot_id == b.boot_id &&
           a.taps == b.taps;
  }
};

// A value; agent/store/guest_record_codec turns it into bytes. Times have the
// resolution of a microsecond there.
struct GuestRecord {
  std::string id;            // "web"
  std::string uid;           // A UUID; QEMU's own.
  std::string owner;         // "user/tenant-a"
  std::string requested_by;  // The principal that called, "user/operator".
  GuestOrigin origin = GuestOrigin::kLaunched;
  GuestSpec spec;
  std::string spec_digest;  // SpecDigest(spec), in hex.

  GuestState state = GuestState::kStarting;
  std::string state_reason;             // For people; bounded by the codec.
  std::optional<GuestExit> exit;        // Of the last process, once it ended.
  std::optional<GuestProcess> process;  // Absent while there is none.

  std::string resolved_machine_type;  // "pc-q35-7.2"; empty before a launch.
  Accel accel_used = Accel::kAuto;    // kKvm or kTcg; kAuto: not decided yet.
  std::string accel_reason;           // Why it is not what was hoped for.

  absl::Time create_time = absl::UnixEpoch();
  std::optional<absl::Time> start_time;  // Of the last start.
  absl::Time update_time = absl::UnixEpoch();

  // Counts the writes of this record: the store takes only the next number.
  int64_t revision = 0;
  std::string etag;
  std::string last_operation;  // "operations/UUID", or empty.

  friend bool operator==(const GuestRecord& a, const GuestRecord& b);
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_GUEST_RECORD_H_
