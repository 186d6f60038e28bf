// A guest's record as bytes: in the store, and as the manifest from which a
// lost store is rebuilt.
#ifndef INNKEEPER_AGENT_STORE_GUEST_RECORD_CODEC_H_
#define INNKEEPER_AGENT_STORE_GUEST_RECORD_CODEC_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"

namespace innkeeper {

// What a record may take as bytes, and what ParseGuestRecord reads.
inline constexpr size_t kMaxGuestRecordBytes = 32768;

// `record` with a check sum in front, at most kMaxGuestRecordBytes for a valid
// spec. state_reason and accel_reason are cut at 1,000 bytes.
std::string SerializeGuestRecord(const GuestRecord& record);

// Input: untrusted. DATA_LOSS if `bytes` are not what SerializeGuestRecord
// wrote, were written by a newer version, or hold a spec that is not valid.
absl::StatusOr<GuestRecord> ParseGuestRecord(absl::string_view bytes);

// SHA-256 of the spec's bytes, in hex: equal for equal specs, on every host
// and in every version that knows the same fields.
std::string SpecDigest(const GuestSpec& spec);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_STORE_GUEST_RECORD_CODEC_H_
