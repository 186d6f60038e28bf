#include "agent/image/file_bound.h"

#include <cstdint>
#include <limits>

#include "agent/image/header_parser.h"

namespace innkeeper {
namespace {

// Tables that are begun, and the header.
constexpr int64_t kSpareClusters = 16;
// Beyond any disk: what follows cannot overflow.
constexpr int64_t kLargestFile = int64_t{1} << 56;

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

}  // namespace

int64_t MaxFileBytes(const ImageInfo& image) {
  if (image.format != DiskFormat::kQcow2) return image.file_bytes;
  if (image.file_bytes > kLargestFile) {
    return std::numeric_limits<int64_t>::max();
  }
  const int64_t cluster = int64_t{1} << image.cluster_bits;
  const int64_t data = CeilDivide(image.virtual_bytes, cluster);
  const int64_t l2 = CeilDivide(data, cluster / image.l2_entry_bytes);
  const int64_t l1 = CeilDivide(l2, cluster / 8);
  const int64_t counted =
      CeilDivide(image.file_bytes, cluster) + data + l2 + l1;
  // The blocks count themselves, too, which at worst is a 64th more. The table
  // that finds them moves when it grows, by half each time.
  const int64_t blocks =
      CeilDivide(counted + counted / 32, cluster * 8 / image.refcount_bits);
  const int64_t table = 4 * CeilDivide(blocks, cluster / 8);
  return (counted + blocks + table + kSpareClusters) * cluster;
}

}  // namespace innkeeper
