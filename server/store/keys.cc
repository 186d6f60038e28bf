#include "server/store/keys.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "openssl/sha.h"

namespace innkeeper {
namespace keys {
namespace {

// Three of them and the prefix fit in a key.
constexpr size_t kMaxPartBytes = 256;

bool IsPlain(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
         c == '_' || c == '-';
}

std::string Key(absl::string_view prefix, absl::string_view id) {
  return absl::StrCat(prefix, Escape(id));
}

// `part` escaped, or its digest after a sign that Escape never writes.
std::string BoundedPart(absl::string_view part) {
  std::string escaped = Escape(part);
  if (escaped.size() <= kMaxPartBytes) return escaped;
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(part.data()), part.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return absl::StrCat("=", absl::BytesToHexString(digest));
}

}  // namespace

std::string Escape(absl::string_view id) {
  std::string escaped;
  for (const char c : id) {
    if (IsPlain(c)) {
      escaped.push_back(c);
    } else {
      absl::StrAppend(&escaped, "%",
                      absl::AsciiStrToUpper(
                          absl::BytesToHexString(absl::string_view(&c, 1))));
    }
  }
  return escaped;
}

std::string Host(absl::string_view host) { return Key(kHosts, host); }

std::string Enrolment(absl::string_view token) {
  return Key(kEnrolments, token);
}

std::string Guest(absl::string_view guest) { return Key(kGuests, guest); }

std::string Operation(absl::string_view uuid) { return Key(kOperations, uuid); }

std::string Request(absl::string_view caller, absl::string_view method,
                    absl::string_view request_id) {
  return absl::StrCat(kRequests, BoundedPart(caller), "/", BoundedPart(method),
                      "/", BoundedPart(request_id));
}

std::string Reservation(absl::string_view machine) {
  return Key(kReservations, machine);
}

std::string Cordon(absl::string_view host) { return Key(kCordons, host); }

std::optional<std::string> IdIn(absl::string_view prefix,
                                absl::string_view key) {
  if (!absl::ConsumePrefix(&key, prefix)) return std::nullopt;
  std::string id;
  while (!key.empty()) {
    if (IsPlain(key[0])) {
      id.push_back(key[0]);
      key.remove_prefix(1);
    } else if (key[0] == '%' && key.size() >= 3 &&
               absl::ascii_isxdigit(static_cast<unsigned char>(key[1])) &&
               absl::ascii_isxdigit(static_cast<unsigned char>(key[2]))) {
      id += absl::HexStringToBytes(key.substr(1, 2));
      key.remove_prefix(3);
    } else {
      return std::nullopt;
    }
  }
  return id;
}

}  // namespace keys
}  // namespace innkeeper
