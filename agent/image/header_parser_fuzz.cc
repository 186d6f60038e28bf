// Whatever a file holds, the parser answers, and what it lets pass is sane.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "agent/image/header_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const int64_t file_bytes :
       {static_cast<int64_t>(size), int64_t{1} << 30}) {
    const auto info = innkeeper::ParseQcow2Header(bytes, file_bytes, "fuzz");
    if (!info.ok()) continue;
    if (info->virtual_bytes <= 0 ||
        info->virtual_bytes > innkeeper::kMaxVirtualBytes ||
        info->cluster_bits < 9 || info->cluster_bits > 21) {
      abort();
    }
  }
  return 0;
}
