#include "agent/launcher/guest_facts_codec.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/launcher/wire.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// Lengths and the error.
constexpr size_t kOverheadBytes = 12;

size_t SizeOf(const GuestFact& fact) {
  return kOverheadBytes + fact.name.size() +
         std::min(fact.text.size(), kMaxFactBytes);
}

// How many of them are within the bounds.
size_t CountFitting(const GuestFacts& facts) {
  size_t bytes = 0;
  size_t count = 0;
  for (const GuestFact& fact : facts.facts) {
    bytes += SizeOf(fact);
    if (count == kMaxFacts || bytes > kMaxFactsBytes) break;
    ++count;
  }
  return count;
}

}  // namespace

std::string EncodeGuestFacts(const GuestFacts& facts) {
  WireWriter out;
  out.I64(facts.pid);
  out.I64(facts.keeper_pid);
  out.U32(facts.unix_uid);
  out.U32(facts.unix_gid);
  out.U64(facts.start_time_ticks);
  const size_t count = CountFitting(facts);
  out.U32(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) {
    const GuestFact& fact = facts.facts[i];
    out.String(fact.name);
    out.U32(static_cast<uint32_t>(fact.error));
    out.String(absl::string_view(fact.text).substr(0, kMaxFactBytes));
  }
  return out.data();
}

absl::StatusOr<GuestFacts> DecodeGuestFacts(absl::string_view body) {
  WireReader in(body);
  GuestFacts facts;
  facts.pid = in.I64();
  facts.keeper_pid = in.I64();
  facts.unix_uid = in.U32();
  facts.unix_gid = in.U32();
  facts.start_time_ticks = in.U64();
  const size_t count = in.Count(kMaxFacts);
  for (size_t i = 0; i < count && in.ok(); ++i) {
    GuestFact fact;
    fact.name = in.String(kMaxFactNameBytes);
    fact.error = static_cast<int>(in.U32());
    fact.text = in.String(kMaxFactBytes);
    facts.facts.push_back(std::move(fact));
  }
  if (in.Done()) return facts;
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               "malformed facts");
}

}  // namespace innkeeper
