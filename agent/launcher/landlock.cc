#include "agent/launcher/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

// Debian 12's header ends with version 2.
constexpr uint64_t kRefer = uint64_t{1} << 13;
constexpr uint64_t kTruncate = uint64_t{1} << 14;
constexpr uint64_t kIoctlDevice = uint64_t{1} << 15;
constexpr uint64_t kScopeAbstractSockets = uint64_t{1} << 0;
constexpr uint64_t kScopeSignals = uint64_t{1} << 1;

// Of version 6; earlier kernels take it as long as what they lack is 0.
struct RuleSetAttributes {
  uint64_t files = 0;
  uint64_t network = 0;
  uint64_t scoped = 0;
};

uint64_t FileRights(uint32_t abi) {
  uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  if (abi >= 2) rights |= kRefer;
  if (abi >= 3) rights |= kTruncate;
  if (abi >= 5) rights |= kIoctlDevice;
  return rights;
}

absl::Status Allow(int rules, int fd, absl::string_view name, uint64_t rights) {
  landlock_path_beneath_attr beneath = {};
  beneath.allowed_access = rights;
  beneath.parent_fd = fd;
  if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
              &beneath, 0) != 0) {
    return ErrnoError(errno, absl::StrCat("allow ", name));
  }
  return absl::OkStatus();
}

absl::Status AllowPath(int rules, const std::string& path, uint64_t rights) {
  const UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  return Allow(rules, fd.get(), path, rights);
}

}  // namespace

uint32_t LandlockAbi() {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0,
                           LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? static_cast<uint32_t>(abi) : 0;
}

absl::Status ConfineFiles(uint32_t abi,
                          const std::vector<std::string>& writable,
                          const std::vector<int>& readable) {
  RuleSetAttributes attributes;
  attributes.files = FileRights(abi);
  if (abi >= 6) attributes.scoped = kScopeAbstractSockets | kScopeSignals;
  const UniqueFd rules(static_cast<int>(syscall(
      SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0)));
  if (!rules.valid()) return ErrnoError(errno, "make a Landlock rule set");
  RETURN_IF_ERROR(AllowPath(rules.get(), "/",
                            LANDLOCK_ACCESS_FS_READ_FILE |
                                LANDLOCK_ACCESS_FS_READ_DIR |
                                LANDLOCK_ACCESS_FS_EXECUTE));
  for (const std::string& path : writable) {
    RETURN_IF_ERROR(
        AllowPath(rules.get(), path,
                  (LANDLOCK_ACCESS_FS_READ_FILE |
                   LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice) &
                      attributes.files));
  }
  for (const int fd : readable) {
    RETURN_IF_ERROR(Allow(rules.get(), fd, absl::StrCat("descriptor ", fd),
                          LANDLOCK_ACCESS_FS_READ_FILE));
  }
  if (syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    return ErrnoError(errno, "enter a Landlock rule set");
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
