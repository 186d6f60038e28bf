// Page tokens that nobody but us can make, and that fit one list only.
#ifndef INNKEEPER_RPC_PAGE_TOKEN_H_
#define INNKEEPER_RPC_PAGE_TOKEN_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace innkeeper {

// What a token is bound to: the method, the caller, and all of `request` but
// its page_token and page_size.
std::string PageTokenBinding(absl::string_view method, absl::string_view caller,
                             const google::protobuf::Message& request);

// Seals with HMAC-SHA256. Immutable, thread-safe.
class PageTokenSealer {
 public:
  static constexpr size_t kMaxPayload = 4096;

  // `secret` is at least 32 bytes that only this service knows; the key is
  // derived from it.
  explicit PageTokenSealer(absl::string_view secret);

  // With the secret in the file `path`, which is made if it is not there (mode
  // 0600), so that tokens survive a restart. FAILED_PRECONDITION
  // (CONFIG_INVALID) if it is shorter than 32 bytes; else as the system says.
  // Blocks on the disk.
  static absl::StatusOr<PageTokenSealer> FromFile(const std::string& path);

  // `payload`, at most kMaxPayload bytes, as a token of URL-safe characters. It
  // can be read by who takes the token apart: nothing secret belongs in it.
  std::string Seal(absl::string_view payload, absl::string_view binding) const;

  // The payload. Input: untrusted. INVALID_ARGUMENT (INVALID_PAGE_TOKEN) if the
  // token was not sealed here with the same binding.
  absl::StatusOr<std::string> Open(absl::string_view token,
                                   absl::string_view binding) const;

 private:
  std::string Tag(absl::string_view payload, absl::string_view binding) const;

  std::string key_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_PAGE_TOKEN_H_
