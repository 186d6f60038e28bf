#include "auth/audit_line.h"

#include <openssl/sha.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// Everything up to here is under the hash; `,"hash":"` 64 digits `"}` follow.
constexpr absl::string_view kHashMember = ",\"hash\":\"";
constexpr absl::string_view kEnd = "\"}";
constexpr size_t kHashDigits = 64;

// The hash before is a member of the body, so hashing the body chains it.
std::string HashOf(absl::string_view open_body) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(open_body.data()), open_body.size(),
         digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

absl::Status Broken(absl::string_view why) {
  return Error(absl::StatusCode::kDataLoss, reason::kInternal, why);
}

}  // namespace

std::string SealAuditLine(absl::string_view body) {
  const absl::string_view open_body = absl::StripSuffix(body, "}");
  return absl::StrCat(open_body, kHashMember, HashOf(open_body), kEnd);
}

absl::StatusOr<AuditLine> ParseAuditLine(absl::string_view line) {
  const size_t tail = kHashMember.size() + kHashDigits + kEnd.size();
  if (line.size() < tail) return Broken("the line is too short for a record");
  const absl::string_view open_body = line.substr(0, line.size() - tail);
  AuditLine parsed;
  parsed.hash = HashOf(open_body);
  if (line.substr(open_body.size()) !=
      absl::StrCat(kHashMember, parsed.hash, kEnd)) {
    return Broken("the record is not what its hash says");
  }
  const nlohmann::json json =
      nlohmann::json::parse(line.begin(), line.end(), /*cb=*/nullptr,
                            /*allow_exceptions=*/false);
  if (!json.is_object()) return Broken("the record is no JSON object");
  const auto sequence = json.find("sequence");
  const auto previous = json.find("previous");
  if (sequence == json.end() || !sequence->is_number_integer() ||
      previous == json.end() || !previous->is_string()) {
    return Broken("the record lacks its sequence or the hash before it");
  }
  parsed.sequence = sequence->get<int64_t>();
  parsed.previous = previous->get<std::string>();
  return parsed;
}

}  // namespace innkeeper
