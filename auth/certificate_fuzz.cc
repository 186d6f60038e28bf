// Certificate bytes to a principal: never crashes, and what passes names a
// principal that reads back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "auth/certificate.h"
#include "auth/principal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto certificate = innkeeper::ParseCertificate(bytes, "example.test");
  if (certificate.ok()) {
    const auto again =
        innkeeper::Principal::Parse(certificate->principal.ToString());
    if (!again.ok() || *again != certificate->principal) abort();
  }
  return 0;
}
