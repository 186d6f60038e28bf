#include "agent/launcher/protocol.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/context_wire.h"
#include "agent/launcher/wire.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxShortBytes = 4096;
constexpr size_t kMaxMetadata = 16;
constexpr size_t kMaxListed = 1024;
// What a list's reply may take, beside its header and status.
constexpr size_t kMaxListBytes = kMaxMessageBytes - 256;

absl::Status Malformed(absl::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("malformed ", what));
}

void WriteTexts(const std::vector<std::string>& texts, WireWriter& out) {
  out.U32(static_cast<uint32_t>(texts.size()));
  for (const std::string& text : texts) out.String(text);
}

std::vector<std::string> ReadTexts(size_t limit, WireReader& in) {
  std::vector<std::string> texts(in.Count(limit));
  for (std::string& text : texts) text = in.String(kMaxShortBytes);
  return texts;
}

void WriteTap(const PlannedTap& tap, WireWriter& out) {
  out.String(tap.network);
  for (const uint8_t byte : tap.mac) out.U8(byte);
  out.U8(static_cast<uint8_t>(tap.queue_count));
  WriteTexts(tap.addresses, out);
}

PlannedTap ReadTap(WireReader& in) {
  PlannedTap tap;
  tap.network = in.String(kMaxShortBytes);
  for (uint8_t& byte : tap.mac) byte = in.U8();
  tap.queue_count = in.U8();
  tap.addresses = ReadTexts(kMaxTapAddresses, in);
  return tap;
}

std::string EncodeGuest(const KnownGuest& guest) {
  WireWriter out;
  out.String(guest.guest);
  out.String(guest.uid);
  out.String(guest.manifest);
  out.Bool(guest.running);
  out.I64(guest.pid);
  out.I64(guest.keeper_pid);
  out.U32(guest.unix_uid);
  out.U32(guest.unix_gid);
  out.U64(guest.start_time_ticks);
  WriteTexts(guest.taps, out);
  return out.data();
}

KnownGuest ReadGuest(WireReader& in) {
  KnownGuest guest;
  guest.guest = in.String(kMaxShortBytes);
  guest.uid = in.String(kMaxShortBytes);
  guest.manifest = in.String(kMaxManifestBytes);
  guest.running = in.Bool();
  guest.pid = in.I64();
  guest.keeper_pid = in.I64();
  guest.unix_uid = in.U32();
  guest.unix_gid = in.U32();
  guest.start_time_ticks = in.U64();
  guest.taps = ReadTexts(kMaxTaps, in);
  return guest;
}

}  // namespace

std::string EncodeMessage(uint32_t type, uint64_t request_id,
                          absl::string_view payload) {
  WireWriter out;
  out.U32(kProtocolMagic);
  out.U32(type);
  out.U32(static_cast<uint32_t>(payload.size()));
  out.U64(request_id);
  return absl::StrCat(out.data(), payload);
}

absl::StatusOr<Message> DecodeMessage(absl::string_view datagram) {
  if (datagram.size() > kMaxMessageBytes) return Malformed("message: too long");
  WireReader in(datagram.substr(0, kMessageHeaderBytes));
  const uint32_t magic = in.U32();
  Message message;
  message.type = in.U32();
  const uint32_t length = in.U32();
  message.request_id = in.U64();
  if (!in.Done()) return Malformed("message: no header");
  if (magic != kProtocolMagic) return Malformed("message: other version");
  message.payload = datagram.substr(kMessageHeaderBytes);
  if (message.payload.size() != length) return Malformed("message: length");
  return message;
}

std::string EncodePlan(const LaunchPlan& plan) {
  WireWriter out;
  out.String(plan.guest);
  out.String(plan.uid);
  out.String(plan.owner);
  out.String(plan.spec_digest);
  out.String(plan.manifest);
  out.U32(static_cast<uint32_t>(plan.argv.size()));
  for (const std::string& argument : plan.argv) out.String(argument);
  out.U32(static_cast<uint32_t>(plan.images.size()));
  for (const PlannedImage& image : plan.images) {
    out.String(image.pool);
    out.String(image.name);
    out.Bool(image.writable);
    out.I64(image.max_bytes);
  }
  out.U32(static_cast<uint32_t>(plan.overlays.size()));
  for (const PlannedOverlay& overlay : plan.overlays) {
    out.I64(overlay.virtual_bytes);
  }
  out.U32(static_cast<uint32_t>(plan.taps.size()));
  for (const PlannedTap& tap : plan.taps) WriteTap(tap, out);
  out.U32(static_cast<uint32_t>(plan.fds.size()));
  for (const PlannedFd& fd : plan.fds) {
    out.U8(static_cast<uint8_t>(fd.number));
    out.U8(static_cast<uint8_t>(fd.kind));
    out.U8(static_cast<uint8_t>(fd.index));
  }
  out.I64(plan.ram_bytes);
  out.I64(plan.limits.memory_bytes);
  out.I64(plan.limits.cpu_millis);
  out.I64(plan.limits.pids);
  out.Bool(plan.kvm);
  WriteContext(plan.context, out);
  out.U8(static_cast<uint8_t>(plan.firmware));
  return out.data();
}

absl::StatusOr<LaunchPlan> DecodePlan(absl::string_view payload) {
  WireReader in(payload);
  LaunchPlan plan;
  plan.guest = in.String(kMaxShortBytes);
  plan.uid = in.String(kMaxShortBytes);
  plan.owner = in.String(kMaxShortBytes);
  plan.spec_digest = in.String(kMaxShortBytes);
  plan.manifest = in.String(kMaxManifestBytes);
  plan.argv.resize(in.Count(kMaxArguments));
  for (std::string& argument : plan.argv) {
    argument = in.String(kMaxArgumentBytes);
  }
  plan.images.resize(in.Count(kMaxImages));
  for (PlannedImage& image : plan.images) {
    image.pool = in.String(kMaxShortBytes);
    image.name = in.String(kMaxShortBytes);
    image.writable = in.Bool();
    image.max_bytes = in.I64();
  }
  plan.overlays.resize(in.Count(kMaxOverlays));
  for (PlannedOverlay& overlay : plan.overlays) {
    overlay.virtual_bytes = in.I64();
  }
  plan.taps.resize(in.Count(kMaxTaps));
  for (PlannedTap& tap : plan.taps) tap = ReadTap(in);
  plan.fds.resize(in.Count(kMaxPlannedFds));
  for (PlannedFd& fd : plan.fds) {
    fd.number = in.U8();
    fd.kind = static_cast<FdKind>(in.U8());
    fd.index = in.U8();
  }
  plan.ram_bytes = in.I64();
  plan.limits.memory_bytes = in.I64();
  plan.limits.cpu_millis = in.I64();
  plan.limits.pids = in.I64();
  plan.kvm = in.Bool();
  plan.context = ReadContext(in);
  plan.firmware = static_cast<PlannedFirmware>(in.U8());
  if (!in.Done()) return Malformed("launch plan");
  return plan;
}

std::string EncodeImageRequest(const ImageRequest& request) {
  WireWriter out;
  out.String(request.pool);
  out.String(request.name);
  return out.data();
}

absl::StatusOr<ImageRequest> DecodeImageRequest(absl::string_view payload) {
  WireReader in(payload);
  ImageRequest request;
  request.pool = in.String(kMaxShortBytes);
  request.name = in.String(kMaxShortBytes);
  if (!in.Done()) return Malformed("image request");
  return request;
}

std::string EncodeGuestRequest(absl::string_view guest) {
  WireWriter out;
  out.String(guest);
  return out.data();
}

absl::StatusOr<std::string> DecodeGuestRequest(absl::string_view payload) {
  WireReader in(payload);
  std::string guest = in.String(kMaxShortBytes);
  if (!in.Done()) return Malformed("guest request");
  return guest;
}

std::string EncodeInspectRequest(int64_t pid) {
  WireWriter out;
  out.I64(pid);
  return out.data();
}

absl::StatusOr<int64_t> DecodeInspectRequest(absl::string_view payload) {
  WireReader in(payload);
  const int64_t pid = in.I64();
  if (!in.Done()) return Malformed("inspect request");
  return pid;
}

std::string EncodeReply(const absl::Status& status, absl::string_view body) {
  const ErrorDetails details = DetailsOf(status);
  WireWriter out;
  out.U32(static_cast<uint32_t>(status.code()));
  out.String(absl::string_view(status.message()).substr(0, kMaxShortBytes));
  out.String(details.reason);
  size_t left = std::min(details.metadata.size(), kMaxMetadata);
  out.U32(static_cast<uint32_t>(left));
  for (const auto& [key, value] : details.metadata) {
    if (left-- == 0) break;
    out.String(absl::string_view(key).substr(0, kMaxShortBytes));
    out.String(absl::string_view(value).substr(0, kMaxShortBytes));
  }
  return status.ok() ? absl::StrCat(out.data(), body) : out.data();
}

absl::Status DecodeReply(absl::string_view& payload) {
  WireReader in(payload);
  const uint32_t code = in.U32();
  const std::string message = in.String(kMaxShortBytes);
  ErrorDetails details;
  details.reason = in.String(kMaxShortBytes);
  const size_t count = in.Count(kMaxMetadata);
  for (size_t i = 0; i < count; ++i) {
    std::string key = in.String(kMaxShortBytes);
    details.metadata[std::move(key)] = in.String(kMaxShortBytes);
  }
  if (!in.ok()) return Malformed("reply");
  if (code == 0) {
    payload = in.rest();
    return absl::OkStatus();
  }
  if (code > static_cast<uint32_t>(absl::StatusCode::kUnauthenticated)) {
    return Malformed("reply: unknown code");
  }
  return MakeStatus(static_cast<absl::StatusCode>(code), message, details);
}

std::string EncodeHelloReply(const HelloReply& reply) {
  WireWriter out;
  out.String(reply.instance);
  out.String(reply.run_dir);
  WritePools(reply.pools, out);
  out.U32(static_cast<uint32_t>(reply.networks.size()));
  for (const KnownNetwork& network : reply.networks) {
    out.String(network.name);
    out.Bool(network.isolated);
    out.Bool(network.declared);
  }
  out.U32(static_cast<uint32_t>(reply.features.size()));
  for (const std::string& feature : reply.features) out.String(feature);
  return out.data();
}

absl::StatusOr<HelloReply> DecodeHelloReply(absl::string_view body) {
  WireReader in(body);
  HelloReply reply;
  reply.instance = in.String(kMaxShortBytes);
  reply.run_dir = in.String(kMaxShortBytes);
  reply.pools = ReadPools(in);
  reply.networks.resize(in.Count(kMaxListed));
  for (KnownNetwork& network : reply.networks) {
    network.name = in.String(kMaxShortBytes);
    network.isolated = in.Bool();
    network.declared = in.Bool();
  }
  reply.features.resize(in.Count(kMaxListed));
  for (std::string& feature : reply.features) {
    feature = in.String(kMaxShortBytes);
  }
  if (!in.Done()) return Malformed("hello reply");
  return reply;
}

std::string EncodeLaunchReply(const LaunchReply& reply) {
  WireWriter out;
  out.I64(reply.pid);
  out.I64(reply.keeper_pid);
  out.U32(reply.unix_uid);
  out.U32(reply.unix_gid);
  out.U64(reply.start_time_ticks);
  WriteTexts(reply.taps, out);
  return out.data();
}

absl::StatusOr<LaunchReply> DecodeLaunchReply(absl::string_view body) {
  WireReader in(body);
  LaunchReply reply;
  reply.pid = in.I64();
  reply.keeper_pid = in.I64();
  reply.unix_uid = in.U32();
  reply.unix_gid = in.U32();
  reply.start_time_ticks = in.U64();
  reply.taps = ReadTexts(kMaxTaps, in);
  if (!in.Done()) return Malformed("launch reply");
  return reply;
}

std::string EncodeListReply(const std::vector<KnownGuest>& guests) {
  std::string encoded;
  uint32_t count = 0;
  for (const KnownGuest& guest : guests) {
    const std::string one = EncodeGuest(guest);
    if (encoded.size() + one.size() > kMaxListBytes || count == kMaxListed) {
      break;
    }
    encoded += one;
    ++count;
  }
  WireWriter out;
  out.Bool(count < guests.size());
  out.U32(count);
  return absl::StrCat(out.data(), encoded);
}

absl::StatusOr<ListReply> DecodeListReply(absl::string_view body) {
  WireReader in(body);
  ListReply reply;
  reply.more = in.Bool();
  const size_t count = in.Count(kMaxListed);
  for (size_t i = 0; i < count && in.ok(); ++i) {
    reply.guests.push_back(ReadGuest(in));
  }
  if (!in.Done()) return Malformed("list reply");
  return reply;
}

std::string EncodeInspectReply(const InspectReply& reply) {
  WireWriter out;
  out.String(absl::string_view(reply.exe).substr(0, kMaxShortBytes));
  out.U64(reply.start_time_ticks);
  for (const uint32_t uid : reply.uids) out.U32(uid);
  for (const uint32_t gid : reply.gids) out.U32(gid);
  for (const uint64_t inode : reply.namespaces) out.U64(inode);
  return out.data();
}

absl::StatusOr<InspectReply> DecodeInspectReply(absl::string_view body) {
  WireReader in(body);
  InspectReply reply;
  reply.exe = in.String(kMaxShortBytes);
  reply.start_time_ticks = in.U64();
  for (uint32_t& uid : reply.uids) uid = in.U32();
  for (uint32_t& gid : reply.gids) gid = in.U32();
  for (uint64_t& inode : reply.namespaces) inode = in.U64();
  if (!in.Done()) return Malformed("inspect reply");
  return reply;
}

std::string EncodeOffer(const ContextOffer& offer) {
  WireWriter out;
  WriteOffer(offer, out);
  return out.data();
}

absl::StatusOr<ContextOffer> DecodeOffer(absl::string_view body) {
  WireReader in(body);
  ContextOffer offer = ReadOffer(in);
  if (!in.Done()) return Malformed("offer");
  return offer;
}

}  // namespace innkeeper
