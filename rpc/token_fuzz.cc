// Feeds arbitrary text to the readers of page and resume tokens. No page token
// may open that was not sealed; a resume token that is accepted must come back
// the same after it was written again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "rpc/list_place.h"
#include "rpc/page_token.h"
#include "rpc/resume_token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const kSealer =
      new innkeeper::PageTokenSealer("0123456789abcdef0123456789abcdef");
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (kSealer->Open(text, "list").ok()) __builtin_trap();

  innkeeper::ListPlace place("", {});
  innkeeper::ListPlace::Parse(text, &place);

  for (const std::string& token :
       {std::string(text), absl::WebSafeBase64Escape(text)}) {
    const auto points = innkeeper::DecodeResumeToken(token);
    if (!points.ok()) continue;
    const auto again = innkeeper::EncodeResumeToken(*points);
    if (again.ok() && *innkeeper::DecodeResumeToken(*again) != *points) {
      __builtin_trap();
    }
  }
  return 0;
}
