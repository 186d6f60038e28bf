// Delegations: what is accepted has exactly one form.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "auth/delegation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto delegation = innkeeper::ParseDelegation(bytes);
  if (delegation.ok() && innkeeper::SerializeDelegation(*delegation) != bytes) {
    abort();
  }
  return 0;
}
