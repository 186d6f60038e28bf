// What a guest's keeper left behind about the end of QEMU.
#ifndef INNKEEPER_AGENT_DRIVER_QEMU_EXIT_RECORD_H_
#define INNKEEPER_AGENT_DRIVER_QEMU_EXIT_RECORD_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/guest/guest_record.h"

namespace innkeeper {

// Parses the keeper's record: {"kind":"exited|signaled","value":N,
// "time_unix_ms":N}. Input: untrusted. DATA_LOSS for anything else.
absl::StatusOr<GuestExit> ParseExitRecord(absl::string_view bytes);

// The record in `guest_directory`. NOT_FOUND until the keeper has written it.
// Blocks on the disk, for a small file in memory.
absl::StatusOr<GuestExit> ReadExitRecord(const std::string& guest_directory);

// The last 4 KiB that QEMU wrote to standard error, or nothing.
std::string ReadErrorText(const std::string& guest_directory);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_DRIVER_QEMU_EXIT_RECORD_H_
