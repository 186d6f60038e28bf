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

constexpr uint32_t kEntryMagic = 0x354a4b49;  // "IKJ5"
constexpr size_t kMaxTaps = 8;
constexpr size_t kMaxAddresses = 8;
constexpr size_t kMaxAddressBytes = 16;

void WriteTap(const JournalTap& tap, WireWriter& out) {
  out.String(tap.device);
  out.String(tap.network);
  for (const uint8_t byte : tap.mac) out.U8(byte);
  out.U32(static_cast<uint32_t>(tap.addresses.size()));
  for (const std::string& address : tap.addresses) out.String(address);
}

JournalTap ReadTap(WireReader& in) {
  JournalTap tap;
  tap.device = in.String(16);
  tap.network = in.String(64);
  for (uint8_t& byte : tap.mac) byte = in.U8();
  tap.addresses.resize(in.Count(kMaxAddresses));
  for (std::string& address : tap.addresses) {
    address = in.String(kMaxAddressBytes);
  }
  return tap;
}

}  // namespace

std::string EncodeJournalEntry(const JournalEntry& entry) {
  WireWriter out;
  out.U32(kEntryMagic);
  out.Bool(entry.launched);
  out.String(entry.guest);
  out.String(entry.uid);
  out.String(entry.boot_id);
  out.U32(entry.unix_uid);
  out.U32(entry.qemu_uid);
  out.U32(entry.qemu_gid);
  out.String(entry.slice);
  out.String(entry.selinux_label);
  out.Bool(entry.made_state);
  out.I64(entry.pid);
  out.U64(entry.start_time_ticks);
  out.I64(entry.keeper_pid);
  out.U64(entry.keeper_start_time_ticks);
  out.U32(static_cast<uint32_t>(entry.taps.size()));
  for (const JournalTap& tap : entry.taps) WriteTap(tap, out);
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
  entry.qemu_uid = in.U32();
  entry.qemu_gid = in.U32();
  entry.slice = in.String(64);
  entry.selinux_label = in.String(512);
  entry.made_state = in.Bool();
  entry.pid = in.I64();
  entry.start_time_ticks = in.U64();
  entry.keeper_pid = in.I64();
  entry.keeper_start_time_ticks = in.U64();
  entry.taps.resize(in.Count(kMaxTaps));
  for (JournalTap& tap : entry.taps) tap = ReadTap(in);
  if (!in.Done() || magic != kEntryMagic) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "not a whole journal entry");
  }
  return entry;
}

}  // namespace innkeeper
