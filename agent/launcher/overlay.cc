#include "agent/launcher/overlay.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr int kClusterBits = 16;
constexpr int64_t kCluster = int64_t{1} << kClusterBits;
// One level 1 entry maps one level 2 table: a cluster of 8-byte entries.
constexpr int64_t kBytesPerL1Entry = kCluster / 8 * kCluster;
// The file: header, refcount table, refcount block, level 1 table.
constexpr int64_t kRefcountTable = 1 * kCluster;
constexpr int64_t kRefcountBlock = 2 * kCluster;
constexpr int64_t kL1Table = 3 * kCluster;

// qcow2 is big-endian throughout.
void Append(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
}

void PadTo(std::string& out, int64_t size) {
  out.resize(static_cast<size_t>(size), '\0');
}

}  // namespace

EmptyQcow2 MakeEmptyQcow2(int64_t virtual_bytes) {
  const int64_t l1_entries =
      (virtual_bytes + kBytesPerL1Entry - 1) / kBytesPerL1Entry;
  const int64_t l1_clusters = (l1_entries * 8 + kCluster - 1) / kCluster;
  const int64_t clusters = 3 + l1_clusters;
  std::string out;
  Append(out, 0x514649fb, 4);  // "QFI\xfb"
  Append(out, 3, 4);           // Version.
  Append(out, 0, 8);           // Backing file: none.
  Append(out, 0, 4);
  Append(out, kClusterBits, 4);
  Append(out, static_cast<uint64_t>(virtual_bytes), 8);
  Append(out, 0, 4);  // Not encrypted.
  Append(out, static_cast<uint64_t>(l1_entries), 4);
  Append(out, kL1Table, 8);
  Append(out, kRefcountTable, 8);
  Append(out, 1, 4);    // Clusters of the refcount table.
  Append(out, 0, 4);    // Snapshots: none.
  Append(out, 0, 8);    // Their table.
  Append(out, 0, 8);    // Incompatible features: none.
  Append(out, 0, 8);    // Compatible ones.
  Append(out, 0, 8);    // Those that clear themselves.
  Append(out, 4, 4);    // Refcounts of 1 << 4 bits.
  Append(out, 104, 4);  // Bytes of this header; what follows says "the end".
  PadTo(out, kRefcountTable);
  Append(out, kRefcountBlock, 8);
  PadTo(out, kRefcountBlock);
  for (int64_t i = 0; i < clusters; ++i) Append(out, 1, 2);
  return {out, clusters * kCluster};
}

int64_t MaxOverlayFileBytes(int64_t virtual_bytes) {
  // Each cluster has 8 bytes in a level 2 table and 2 of reference count: an
  // 8192nd and a 32768th. Tables of those, and clusters begun, are the rest.
  return virtual_bytes + virtual_bytes / 4096 + 32 * kCluster;
}

absl::StatusOr<UniqueFd> MakeOverlay(const std::string& directory,
                                     int64_t virtual_bytes) {
  UniqueFd fd(
      open(directory.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return ErrnoError(errno, absl::StrCat("make an overlay in ", directory));
  }
  const EmptyQcow2 image = MakeEmptyQcow2(virtual_bytes);
  RETURN_IF_ERROR(WriteAll(fd.get(), image.bytes));
  if (ftruncate(fd.get(), image.file_bytes) != 0 ||
      lseek(fd.get(), 0, SEEK_SET) != 0) {
    return ErrnoError(errno, "size an overlay");
  }
  return fd;
}

absl::StatusOr<UniqueFd> MakeRam(int64_t bytes) {
  UniqueFd fd(memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoError(errno, "memfd_create");
  if (ftruncate(fd.get(), bytes) != 0) return ErrnoError(errno, "size RAM");
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
      0) {
    return ErrnoError(errno, "seal RAM");
  }
  return fd;
}

}  // namespace innkeeper
