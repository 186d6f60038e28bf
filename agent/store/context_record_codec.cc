#include "agent/store/context_record_codec.h"

#include <openssl/sha.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "agent/store/agent_storage.pb.h"
#include "agent/store/context_spec_codec.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// Raised when an older version must not read what this one writes.
constexpr int32_t kFormat = 1;
// Magic, then the first bytes of the SHA-256 of what follows.
constexpr absl::string_view kMagic = "INC1";
constexpr size_t kSumBytes = 12;

std::string SumOf(absl::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         digest);
  return std::string(reinterpret_cast<const char*>(digest), kSumBytes);
}

absl::Status Damaged(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, reason::kStoreUnavailable,
               absl::StrCat("a context's record cannot be read: ", what));
}

}  // namespace

std::string SerializeContextRecord(const ContextRecord& context) {
  agent::storage::v1::StoredContext out;
  out.set_format(kFormat);
  out.set_id(context.id);
  out.set_description(context.description);
  for (const std::string& user : context.users) out.add_users(user);
  PutContextSpec(context.spec, out.mutable_spec());
  out.set_creator(context.creator);
  out.set_create_time_micros(absl::ToUnixMicros(context.create_time));
  out.set_etag(context.etag);
  const std::string body = out.SerializeAsString();
  return absl::StrCat(kMagic, SumOf(body), body);
}

absl::StatusOr<ContextRecord> ParseContextRecord(absl::string_view bytes) {
  absl::string_view body = bytes;
  if (!absl::ConsumePrefix(&body, kMagic) || body.size() < kSumBytes) {
    return Damaged("it does not begin as one");
  }
  const absl::string_view sum = body.substr(0, kSumBytes);
  body.remove_prefix(kSumBytes);
  if (SumOf(body) != sum) return Damaged("its check sum is wrong");
  agent::storage::v1::StoredContext in;
  if (!in.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Damaged("it is malformed");
  }
  if (in.format() < 1 || in.format() > kFormat) {
    return Damaged(absl::StrCat("its format is ", in.format(),
                                ", and this version reads up to ", kFormat));
  }
  ContextRecord context;
  context.id = in.id();
  context.description = in.description();
  context.users.assign(in.users().begin(), in.users().end());
  std::optional<ContextSpec> spec = GetContextSpec(in.spec());
  if (!spec.has_value()) return Damaged("its parts are not known");
  context.spec = *std::move(spec);
  context.creator = in.creator();
  context.create_time = absl::FromUnixMicros(in.create_time_micros());
  context.etag = in.etag();
  if (!FindRecordFaults(context).empty()) return Damaged("it is not valid");
  return context;
}

}  // namespace innkeeper
