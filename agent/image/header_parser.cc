#include "agent/image/header_parser.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/guest/disk_spec.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

constexpr size_t kReadBytes = 65536;
constexpr int64_t kSector = 512;
constexpr absl::string_view kMagic("QFI\xfb", 4);
constexpr size_t kVersion2Bytes = 72;
constexpr size_t kVersion3Bytes = 104;
constexpr int32_t kMinClusterBits = 9;
constexpr int32_t kMaxClusterBits = 21;
// As QEMU: 32 MiB of L1 table, 8 MiB of reference count table.
constexpr uint64_t kMaxL1Entries = (uint64_t{32} << 20) / 8;
constexpr uint64_t kMaxRefcountTableBytes = uint64_t{8} << 20;
constexpr uint32_t kMaxSnapshots = 65536;
// The least that one takes in their table.
constexpr uint64_t kSnapshotBytes = 40;

// Incompatible features.
constexpr uint64_t kDirty = 1;
constexpr uint64_t kCorrupt = 2;
constexpr uint64_t kDataFile = 4;
constexpr uint64_t kCompressionType = 8;
constexpr uint64_t kExtendedL2 = 16;
constexpr uint64_t kKnownFeatures =
    kDirty | kCorrupt | kDataFile | kCompressionType | kExtendedL2;

// Zlib and zstd are 0 and 1.
constexpr uint64_t kLastCompression = 1;

// Header extensions.
constexpr uint32_t kEnd = 0;
constexpr uint32_t kBackingFormat = 0xe2792aca;
constexpr uint32_t kExternalDataFile = 0x44415441;
constexpr uint32_t kEncryptionHeader = 0x0537be77;

absl::Status Refused(absl::string_view name, absl::string_view why) {
  const std::string message =
      absl::StrCat("image ", name, " cannot be used: ", why);
  return Error(absl::StatusCode::kFailedPrecondition, reason::kImageUnsupported,
               message)
      .With("volume", name)
      .Precondition(reason::kImageUnsupported, name, message);
}

// Big-endian numbers of a header; 0 beyond its end.
class Fields {
 public:
  explicit Fields(absl::string_view bytes) : bytes_(bytes) {}

  uint64_t Number(size_t offset, size_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes_[offset + i]);
    }
    return value;
  }
  uint32_t U32(size_t offset) const {
    return static_cast<uint32_t>(Number(offset, 4));
  }
  uint64_t U64(size_t offset) const { return Number(offset, 8); }

 private:
  const absl::string_view bytes_;
};

// Whether `bytes` at `offset` lie within the file, on a cluster's border.
bool TableFits(uint64_t offset, uint64_t bytes, uint64_t cluster,
               int64_t file_bytes) {
  const uint64_t end = static_cast<uint64_t>(file_bytes);
  return offset % cluster == 0 && offset <= end && bytes <= end - offset;
}

// What would lead outside of the file, or cannot be read right; empty: nothing.
absl::string_view FindForbidden(const Fields& fields, int32_t version) {
  if (fields.U32(32) != 0) {
    return "it is encrypted; convert it to an image that is not";
  }
  if (version == 2) return "";
  const uint64_t features = fields.U64(72);
  if ((features & ~kKnownFeatures) != 0) {
    return "it needs a feature that is not known here; convert it with "
           "qemu-img convert";
  }
  if ((features & kDataFile) != 0) {
    return "its data lie in another file; convert it with qemu-img convert";
  }
  // QEMU takes the byte into account wherever the header has room for it.
  if (fields.U32(100) > kVersion3Bytes &&
      fields.Number(kVersion3Bytes, 1) > kLastCompression) {
    return "it is compressed in a way that is not known here; convert it with "
           "qemu-img convert";
  }
  if ((features & kCorrupt) != 0) {
    return "it is marked corrupt; repair it with qemu-img check -r all";
  }
  return "";
}

// What a header says of the file beneath.
struct BackingClaim {
  std::string file;  // Empty: nothing.
  std::string format;
  // Where the header's extensions end at the latest, and whether the file goes
  // on there with what may be more of them.
  size_t extensions_end = 0;
  bool cut = false;
};

// The same of the header's extensions, from `offset` on. What they say of the
// backing file's format goes to `claim`.
absl::string_view FindForbiddenExtension(absl::string_view bytes, size_t offset,
                                         BackingClaim* claim) {
  constexpr absl::string_view kMalformed =
      "its header's extensions are malformed";
  const Fields fields(bytes);
  const size_t limit = claim->extensions_end;
  while (true) {
    if (offset > limit || limit - offset < 8) {
      // Without room for one more the list ends, as QEMU has it.
      return claim->cut ? kMalformed : "";
    }
    const uint32_t type = fields.U32(offset);
    const uint32_t length = fields.U32(offset + 4);
    offset += 8;
    if (type == kEnd) return "";
    if (length > limit - offset) return kMalformed;
    if (type == kBackingFormat) {
      if (!claim->format.empty() || length == 0) return kMalformed;
      claim->format = std::string(bytes.substr(offset, length));
    }
    if (type == kExternalDataFile) {
      return "its data lie in another file; convert it with qemu-img convert";
    }
    if (type == kEncryptionHeader) {
      return "it is encrypted; convert it to an image that is not";
    }
    // At most 7 more than `limit`, which the check above ends.
    offset += (size_t{length} + 7) / 8 * 8;
  }
}

// Text of an image, for a message: short, and nothing that a terminal heeds.
std::string Quoted(absl::string_view text) {
  constexpr size_t kShown = 80;
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kShown)),
                      text.size() > kShown ? "...'" : "'");
}

// As QEMU reads it: the name's bytes lie in the header's cluster, and the
// extensions end where they begin. Names that it would take and no tool writes
// so (in the header's own fields, beyond what is read here) are malformed.
absl::string_view ReadBackingName(absl::string_view bytes, int64_t file_bytes,
                                  size_t header_bytes, size_t cluster,
                                  BackingClaim* claim) {
  constexpr uint32_t kMaxName = 1023;
  const Fields fields(bytes);
  const uint64_t offset = fields.U64(8);
  const uint32_t length = fields.U32(16);
  const size_t end = bytes.size() < cluster ? bytes.size() : cluster;
  claim->extensions_end = end;
  claim->cut = end < cluster && static_cast<int64_t>(end) < file_bytes;
  if (offset == 0 && length == 0) return "";
  if (length == 0 || length > kMaxName || offset < header_bytes ||
      offset > end || length > end - offset) {
    return "its header is malformed where it names a backing file";
  }
  claim->file = std::string(bytes.substr(static_cast<size_t>(offset), length));
  claim->extensions_end = static_cast<size_t>(offset);
  claim->cut = false;
  return "";
}

// A colon before the first slash makes QEMU read a protocol, or options.
bool IsPlainPath(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) return false;
  }
  const size_t mark = text.find_first_of(":/");
  return mark == absl::string_view::npos || text[mark] == '/';
}

// Why what the header says and what the spec has beneath the image do not
// agree; empty: they do.
std::string FindBackingFault(const BackingClaim& claim,
                             const LayerSpec* beneath) {
  if (claim.file.empty()) {
    if (beneath != nullptr) {
      return absl::StrCat("it has no backing file, and the disk has ",
                          beneath->volume.ToString(),
                          " beneath it; leave that out of `backing`");
    }
    return claim.format.empty() ? ""
                                : "it names a backing format and no backing "
                                  "file; rewrite it with qemu-img convert";
  }
  if (!IsPlainPath(claim.file)) {
    return absl::StrCat("it has the backing file ", Quoted(claim.file),
                        ", which is more than the path of a file; flatten it "
                        "with qemu-img convert");
  }
  if (beneath == nullptr) {
    return absl::StrCat("it has the backing file ", Quoted(claim.file),
                        "; name the volume in the disk's `backing`, or "
                        "flatten the image with qemu-img convert");
  }
  const absl::string_view file = claim.file;
  if (file.substr(file.rfind('/') + 1) != beneath->volume.volume) {
    return absl::StrCat("it has the backing file ", Quoted(claim.file),
                        ", and the disk has ", beneath->volume.ToString(),
                        " beneath it; name the volume that was meant, or set "
                        "the image's with qemu-img rebase -u");
  }
  if (!claim.format.empty() && claim.format != ToString(beneath->format)) {
    return absl::StrCat("its backing file is of format ", Quoted(claim.format),
                        ", and the disk says ", ToString(beneath->format),
                        " of ", beneath->volume.ToString(),
                        "; correct the format in `backing`");
  }
  return "";
}

absl::string_view FindBadTable(const Fields& fields, int32_t version,
                               int64_t virtual_bytes, uint64_t cluster,
                               int64_t file_bytes) {
  const bool extended = version == 3 && (fields.U64(72) & kExtendedL2) != 0;
  const uint64_t l2_entries = cluster / (extended ? 16 : 8);
  const uint64_t per_l1 = cluster * l2_entries;
  const uint64_t needed =
      (static_cast<uint64_t>(virtual_bytes) + per_l1 - 1) / per_l1;
  const uint64_t l1_entries = fields.U32(36);
  if (l1_entries < needed || l1_entries > kMaxL1Entries ||
      !TableFits(fields.U64(40), l1_entries * 8, cluster, file_bytes)) {
    return "its L1 table does not fit its size or its file";
  }
  const uint64_t refcount_bytes = fields.U32(56) * cluster;
  if (refcount_bytes == 0 || refcount_bytes > kMaxRefcountTableBytes ||
      !TableFits(fields.U64(48), refcount_bytes, cluster, file_bytes)) {
    return "its reference counts do not fit its file";
  }
  if (version == 3 && fields.U32(96) > 6) {
    return "its reference counts are too wide";
  }
  const uint64_t snapshots = fields.U32(60);
  if (snapshots > kMaxSnapshots ||
      (snapshots > 0 && !TableFits(fields.U64(64), snapshots * kSnapshotBytes,
                                   cluster, file_bytes))) {
    return "its snapshots do not fit its file";
  }
  return "";
}

absl::StatusOr<std::string> ReadStart(int fd, absl::string_view name) {
  std::string bytes(kReadBytes, '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = pread(fd, bytes.data() + have, bytes.size() - have,
                              static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, absl::StrCat("read image ", name));
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

}  // namespace

absl::StatusOr<ImageInfo> ParseQcow2Header(absl::string_view bytes,
                                           int64_t file_bytes,
                                           const LayerSpec* beneath,
                                           absl::string_view name) {
  const Fields fields(bytes);
  if (bytes.substr(0, kMagic.size()) != kMagic ||
      bytes.size() < kVersion2Bytes) {
    return Refused(name, "it is no qcow2 image; correct the disk's format");
  }
  const uint32_t version = fields.U32(4);
  if (version != 2 && version != 3) {
    return Refused(name, absl::StrCat("its qcow2 version is ", version,
                                      ", and 2 and 3 are known"));
  }
  const uint32_t header_bytes = version == 2 ? kVersion2Bytes : fields.U32(100);
  if (header_bytes > bytes.size() ||
      (version == 3 &&
       (header_bytes < kVersion3Bytes || header_bytes % 8 != 0))) {
    return Refused(name, "its header is malformed");
  }
  ImageInfo info;
  info.format = DiskFormat::kQcow2;
  info.version = static_cast<int32_t>(version);
  info.file_bytes = file_bytes;
  const uint32_t cluster_bits = fields.U32(20);
  if (cluster_bits < kMinClusterBits || cluster_bits > kMaxClusterBits) {
    return Refused(name, absl::StrCat("its clusters have 2^", cluster_bits,
                                      " bytes, and 2^9 to 2^21 are known"));
  }
  info.cluster_bits = static_cast<int32_t>(cluster_bits);
  const uint64_t cluster = uint64_t{1} << cluster_bits;
  if (header_bytes > cluster) return Refused(name, "its header is malformed");
  absl::string_view fault = FindForbidden(fields, info.version);
  if (!fault.empty()) return Refused(name, fault);
  BackingClaim claim;
  fault = ReadBackingName(bytes, file_bytes, header_bytes,
                          static_cast<size_t>(cluster), &claim);
  if (!fault.empty()) return Refused(name, fault);
  fault = FindForbiddenExtension(bytes, header_bytes, &claim);
  if (!fault.empty()) return Refused(name, fault);
  const std::string backing_fault = FindBackingFault(claim, beneath);
  if (!backing_fault.empty()) return Refused(name, backing_fault);
  const uint64_t size = fields.U64(24);
  if (size == 0 || size > static_cast<uint64_t>(kMaxVirtualBytes)) {
    return Refused(name, absl::StrCat("its size of ", size,
                                      " bytes is not within 1 byte to 16 TiB"));
  }
  // QEMU shows the guest whole sectors only, fewer than the header claims.
  if (size % static_cast<uint64_t>(kSector) != 0) {
    return Refused(name, absl::StrCat("its size, ", size,
                                      " bytes, is no multiple of 512"));
  }
  info.virtual_bytes = static_cast<int64_t>(size);
  fault = FindBadTable(fields, info.version, info.virtual_bytes, cluster,
                       file_bytes);
  if (!fault.empty()) return Refused(name, fault);
  const bool extended = version == 3 && (fields.U64(72) & kExtendedL2) != 0;
  info.l2_entry_bytes = extended ? 16 : 8;
  info.refcount_bits = version == 3 ? 1 << fields.U32(96) : 16;
  return info;
}

absl::StatusOr<ImageInfo> ReadImageInfo(int fd, DiskFormat format,
                                        const LayerSpec* beneath,
                                        absl::string_view name) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) {
    return ErrnoError(errno, absl::StrCat("stat image ", name));
  }
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return Refused(name, "it is neither a file nor a block device");
  }
  const int64_t file_bytes =
      S_ISREG(status.st_mode) ? status.st_size : lseek(fd, 0, SEEK_END);
  if (file_bytes < 0) return ErrnoError(errno, absl::StrCat("size of ", name));
  if (format == DiskFormat::kQcow2) {
    const absl::StatusOr<std::string> bytes = ReadStart(fd, name);
    if (!bytes.ok()) return bytes.status();
    absl::StatusOr<ImageInfo> info =
        ParseQcow2Header(*bytes, file_bytes, beneath, name);
    if (info.ok()) info->block_device = S_ISBLK(status.st_mode);
    return info;
  }
  if (beneath != nullptr) {
    return Refused(name, "a raw image has nothing beneath it; empty `backing`");
  }
  if (file_bytes == 0 || file_bytes % kSector != 0 ||
      file_bytes > kMaxVirtualBytes) {
    return Refused(
        name, absl::StrCat("a raw image must be a multiple of 512 "
                           "bytes, up to 16 TiB, and it has ",
                           file_bytes, "; resize it with qemu-img resize"));
  }
  ImageInfo info;
  info.virtual_bytes = file_bytes;
  info.file_bytes = file_bytes;
  info.block_device = S_ISBLK(status.st_mode);
  return info;
}

}  // namespace innkeeper
