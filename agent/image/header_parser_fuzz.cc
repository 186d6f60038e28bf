// Whatever a file holds, the parser answers, and what it lets pass is sane.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "agent/guest/disk_spec.h"
#include "agent/image/header_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const innkeeper::LayerSpec base = {{"p", "base"},
                                     innkeeper::DiskFormat::kRaw};
  for (const int64_t file_bytes :
       {static_cast<int64_t>(size), int64_t{1} << 30}) {
    const auto alone =
        innkeeper::ParseQcow2Header(bytes, file_bytes, nullptr, "fuzz");
    const auto over =
        innkeeper::ParseQcow2Header(bytes, file_bytes, &base, "fuzz");
    // A header has something beneath it, or has not.
    if (alone.ok() && over.ok()) abort();
    if (!alone.ok() && !over.ok()) continue;
    const auto& info = alone.ok() ? alone : over;
    if (info->virtual_bytes <= 0 ||
        info->virtual_bytes > innkeeper::kMaxVirtualBytes ||
        info->cluster_bits < 9 || info->cluster_bits > 21) {
      abort();
    }
  }
  return 0;
}
