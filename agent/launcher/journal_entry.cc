#include "agent/launcher/journal_entry.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/wire.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr uint32_t kEntryMagic = 0x324a4b49;  // "IKJ2"

}  // namespace

std::string EncodeJournalEntry(const JournalEntry& entry) {
  WireWriter out;
  out.U32(kEntryMagic);
  out.Bool(entry.launched);
  out.String(entry.guest);
  out.String(entry.uid);
  out.String(entry.boot_id);
  out.U32(entry.unix_uid);
  out.I64(entry.pid);
  out.U64(entry.start_time_ticks);
  out.I64(entry.keeper_pid);
  out.U64(entry.keeper_start_time_ticks);
  return out.data();
}

absl::StatusOr<JournalEntry> DecodeJournalEntry(absl::string_view data) {
  WireReader in(data);
  const uint32_t magic = in.U32();
  JournalEntry entry;
  entry.launched = in.Bool();
  entry.guest = in.String(64);
  entry.uid = in.String(64);
  entry.boot_id = in.String(64);
  entry.unix_uid = in.U32();
  entry.pid = in.I64();
  entry.start_time_ticks = in.U64();
  entry.keeper_pid = in.I64();
  entry.keeper_start_time_ticks = in.U64();
  if (!in.Done() || magic != kEntryMagic) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "not a whole journal entry");
  }
  return entry;
}

}  // namespace innkeeper
