// Enrolment tokens: what is accepted has exactly one form.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/enrolment_token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto token =
      innkeeper::ParseEnrolmentToken(text, absl::FromUnixSeconds(1800000000));
  if (token.ok()) {
    const auto again = innkeeper::FormatEnrolmentToken(*token);
    if (!again.ok() || *again != text) abort();
  }
  return 0;
}
