#include "agent/launcher/security_label.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace innkeeper {
namespace {

constexpr uint32_t kCategories = 1024;
constexpr uint32_t kPairs = kCategories * (kCategories - 1) / 2;
constexpr char kSelinuxEnforce[] = "/sys/fs/selinux/enforce";
constexpr char kAppArmorEnabled[] = "/sys/module/apparmor/parameters/enabled";

absl::Status WriteAttribute(const char* path, absl::string_view value) {
  const UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  if (write(fd.get(), value.data(), value.size()) !=
      static_cast<ssize_t>(value.size())) {
    return ErrnoError(errno, absl::StrCat("write '", value, "' to ", path));
  }
  return absl::OkStatus();
}

absl::Status Verify(int64_t pid, absl::string_view attribute,
                    absl::string_view wanted) {
  ASSIGN_OR_RETURN(
      std::string label,
      ReadFile(absl::StrCat("/proc/", pid, "/attr/", attribute), 4096));
  // The kernel ends some with NUL, and says AppArmor's mode: "NAME (enforce)".
  label.resize(std::min(label.size(), label.find_first_of("\0\n ", 0, 3)));
  if (label == wanted) return absl::OkStatus();
  return ErrnoError(EPERM, absl::StrCat("QEMU has the label '", label,
                                        "' instead of '", wanted, "'"));
}

}  // namespace

bool SelinuxIsEnabled() { return access(kSelinuxEnforce, F_OK) == 0; }

bool AppArmorIsEnabled() {
  return absl::StartsWith(ReadFile(kAppArmorEnabled, 16).value_or(""), "Y");
}

std::string UniqueSelinuxLabel(absl::string_view base, uid_t uid) {
  // Each guest has two uids.
  uint32_t rest = uid / 2 % kPairs;
  uint32_t first = 0;
  while (rest >= kCategories - 1 - first) {
    rest -= kCategories - 1 - first;
    ++first;
  }
  const bool has_level = std::count(base.begin(), base.end(), ':') > 2;
  return absl::StrCat(base, has_level ? "" : ":s0", ":c", first, ",c",
                      first + 1 + rest);
}

absl::Status SetExecLabels(const SecurityLabels& labels) {
  if (!labels.selinux.empty()) {
    RETURN_IF_ERROR(
        WriteAttribute("/proc/thread-self/attr/exec", labels.selinux));
  }
  if (!labels.apparmor.empty()) {
    RETURN_IF_ERROR(WriteAttribute("/proc/thread-self/attr/apparmor/exec",
                                   absl::StrCat("exec ", labels.apparmor)));
  }
  return absl::OkStatus();
}

absl::Status VerifyLabels(int64_t pid, const SecurityLabels& labels) {
  if (!labels.selinux.empty()) {
    RETURN_IF_ERROR(Verify(pid, "current", labels.selinux));
  }
  if (!labels.apparmor.empty()) {
    RETURN_IF_ERROR(Verify(pid, "apparmor/current", labels.apparmor));
  }
  return absl::OkStatus();
}

}  // namespace innkeeper
