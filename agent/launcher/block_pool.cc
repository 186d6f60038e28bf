#include "agent/launcher/block_pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxAttributeBytes = 8192;
// What /sys/class/block/*/size counts, whatever the device's own sectors are.
constexpr int64_t kSysfsSector = 512;
constexpr int64_t kMaxSectors = int64_t{1} << 53;
// "LVM-", the group's id and the volume's; inner parts have a suffix.
constexpr size_t kLvmUuidBytes = 4 + 32 + 32;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// The first of the attributes `names` that `directory` has; "" if none.
std::string Attribute(const std::string& directory,
                      const std::vector<absl::string_view>& names) {
  for (const absl::string_view name : names) {
    absl::StatusOr<std::string> value =
        ReadFile(absl::StrCat(directory, "/", name), kMaxAttributeBytes);
    if (!value.ok()) continue;
    return std::string(absl::StripSuffix(*value, "\n"));
  }
  return "";
}

std::string ValueOf(const std::string& directory, DeviceSelector::Kind kind) {
  switch (kind) {
    case DeviceSelector::Kind::kDmUuid:
      return Attribute(directory, {"dm/uuid"});
    case DeviceSelector::Kind::kDmName:
      return Attribute(directory, {"dm/name"});
    case DeviceSelector::Kind::kWwid:
      return Attribute(directory, {"wwid", "device/wwid"});
    case DeviceSelector::Kind::kSerial:
      return Attribute(directory, {"serial", "device/serial"});
    case DeviceSelector::Kind::kLoop:
      return Attribute(directory, {"loop/backing_file"});
  }
  return "";
}

std::string NumberOf(const struct stat& info) {
  return absl::StrCat(major(info.st_rdev), ":", minor(info.st_rdev));
}

Error Fault(absl::StatusCode code, absl::string_view reason,
            absl::string_view pool, absl::string_view name,
            absl::string_view why) {
  Error error(code, reason,
              absl::StrCat("volume '", name, "' of pool '", pool, "' ", why));
  error.With("pool", pool).With("volume", name);
  return error;
}

absl::Status NotFound(absl::string_view pool, absl::string_view name,
                      absl::string_view why) {
  return Fault(absl::StatusCode::kNotFound, reason::kVolumeNotFound, pool, name,
               why);
}

absl::Status Unsupported(absl::string_view pool, absl::string_view name,
                         absl::string_view why) {
  return Fault(absl::StatusCode::kInvalidArgument, reason::kImageUnsupported,
               pool, name, why);
}

absl::Status OpenFault(int error, absl::string_view pool,
                       absl::string_view name) {
  if (error == EBUSY) {
    return Fault(absl::StatusCode::kFailedPrecondition, reason::kImageInUse,
                 pool, name,
                 "is in use: another guest writes it, or it is mounted or part "
                 "of another device on its host; release it there first");
  }
  return ErrnoError(
      error, absl::StrCat("open volume '", name, "' of pool '", pool, "'"));
}

// The node of `volume`, not yet opened for anything.
absl::StatusOr<UniqueFd> FindNode(const std::string& dev_dir,
                                  const BlockVolume& volume,
                                  absl::string_view pool) {
  // The directory is opened each time: it may have been mounted over.
  const UniqueFd directory(
      open(dev_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return OpenFault(errno, pool, volume.name);
  // "cciss!c0d0" is cciss/c0d0 there.
  const std::string path = absl::StrReplaceAll(volume.device, {{"!", "/"}});
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd node(static_cast<int>(
      syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof(how))));
  if (!node.valid() && errno == ENOENT) {
    return NotFound(pool, volume.name,
                    absl::StrCat("has no node ", dev_dir, "/", path,
                                 "; have udev make it"));
  }
  struct stat info = {};
  if (!node.valid() || fstat(node.get(), &info) != 0) {
    if (errno != ELOOP && errno != EXDEV) {
      return OpenFault(errno, pool, volume.name);
    }
    info.st_mode = S_IFLNK;
  }
  if (!S_ISBLK(info.st_mode) || NumberOf(info) != volume.number) {
    return Unsupported(
        pool, volume.name,
        absl::StrCat("is block device ", volume.number, ", which ", dev_dir,
                     "/", path, " is not; have udev make the node again"));
  }
  return node;
}

}  // namespace

std::string LogicalVolumeName(absl::string_view dm_uuid,
                              absl::string_view dm_name,
                              absl::string_view group) {
  if (!absl::StartsWith(dm_uuid, "LVM-") || dm_uuid.size() != kLvmUuidBytes) {
    return "";
  }
  // Device-mapper's name is GROUP-VOLUME, where a hyphen within either is
  // doubled: a single one more would begin the name of an inner part.
  absl::string_view rest = dm_name;
  if (!absl::ConsumePrefix(&rest, absl::StrReplaceAll(group, {{"-", "--"}})) ||
      !absl::ConsumePrefix(&rest, "-")) {
    return "";
  }
  std::string name;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '-' && (++i == rest.size() || rest[i] != '-')) return "";
    name.push_back(rest[i]);
  }
  return name;
}

std::vector<std::string> BlockPool::NamesOf(
    const std::string& directory) const {
  std::vector<std::string> names;
  if (!source_.volume_group.empty()) {
    std::string name =
        LogicalVolumeName(ValueOf(directory, DeviceSelector::Kind::kDmUuid),
                          ValueOf(directory, DeviceSelector::Kind::kDmName),
                          source_.volume_group);
    if (IsBlockVolumeName(name)) names.push_back(std::move(name));
    return names;
  }
  // Each attribute is read once, and only if somebody asks for it.
  std::string values[static_cast<size_t>(DeviceSelector::Kind::kLoop) + 1];
  bool have[std::size(values)] = {};
  for (const auto& [name, selector] : source_.volumes) {
    const size_t kind = static_cast<size_t>(selector.kind);
    if (!std::exchange(have[kind], true)) {
      values[kind] = ValueOf(directory, selector.kind);
    }
    if (values[kind] == selector.value) names.push_back(name);
  }
  return names;
}

std::vector<BlockVolume> BlockPool::Scan() const {
  std::vector<BlockVolume> volumes;
  const std::string directory = absl::StrCat(sys_dir_, "/class/block");
  const std::unique_ptr<DIR, CloseDirectory> entries(
      opendir(directory.c_str()));
  if (entries == nullptr) return volumes;
  for (int i = 0; i < kMaxDevices; ++i) {
    const dirent* const entry = readdir(entries.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] == '.') continue;
    const std::string device = absl::StrCat(directory, "/", entry->d_name);
    for (std::string& name : NamesOf(device)) {
      int64_t sectors = 0;
      if (!absl::SimpleAtoi(Attribute(device, {"size"}), &sectors) ||
          sectors < 0 || sectors > kMaxSectors) {
        continue;
      }
      volumes.push_back({std::move(name), sectors * kSysfsSector, entry->d_name,
                         Attribute(device, {"dev"})});
    }
  }
  std::sort(volumes.begin(), volumes.end(),
            [](const BlockVolume& a, const BlockVolume& b) {
              return a.name < b.name;
            });
  return volumes;
}

std::vector<BlockVolume> BlockPool::List() const {
  std::vector<BlockVolume> all = Scan();
  std::vector<BlockVolume> volumes;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool again = (i > 0 && all[i - 1].name == all[i].name) ||
                       (i + 1 < all.size() && all[i + 1].name == all[i].name);
    if (!again) volumes.push_back(all[i]);
  }
  return volumes;
}

absl::StatusOr<UniqueFd> BlockPool::Open(absl::string_view pool,
                                         absl::string_view name,
                                         ImageUse use) const {
  std::vector<BlockVolume> found = Scan();
  found.erase(
      std::remove_if(found.begin(), found.end(),
                     [&](const BlockVolume& one) { return one.name != name; }),
      found.end());
  if (found.empty()) {
    return NotFound(pool, name, "is no device of its host now");
  }
  if (found.size() > 1) {
    return Unsupported(pool, name,
                       absl::StrCat("is answered to by two devices, ",
                                    found[0].device, " and ", found[1].device,
                                    "; name it by what only one of them has"));
  }
  ASSIGN_OR_RETURN(const UniqueFd node, FindNode(dev_dir_, found[0], pool));
  // The same inode, through the descriptor: there is no second look-up.
  const std::string path = absl::StrCat("/proc/self/fd/", node.get());
  const int flags = (use == ImageUse::kWrite ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                    O_NOCTTY | O_NONBLOCK;
  UniqueFd claim;
  if (use != ImageUse::kInspect) {
    // On a block device, O_EXCL without O_CREAT is the claim.
    claim.reset(open(path.c_str(), flags | O_EXCL));
    if (!claim.valid()) return OpenFault(errno, pool, name);
  }
  UniqueFd fd = use == ImageUse::kWrite ? std::move(claim)
                                        : UniqueFd(open(path.c_str(), flags));
  if (!fd.valid()) return OpenFault(errno, pool, name);
  // A number is given to a new device once the old one is gone, which it may
  // have been until the node was open.
  const std::vector<std::string> names =
      NamesOf(absl::StrCat(sys_dir_, "/dev/block/", found[0].number));
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return NotFound(pool, name, "went while it was opened; try again");
  }
  if (fcntl(fd.get(), F_SETFL, 0) != 0) return OpenFault(errno, pool, name);
  return fd;
}

}  // namespace innkeeper
