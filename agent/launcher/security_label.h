// Labels of SELinux and AppArmor, which a process takes when it executes.
#ifndef INNKEEPER_AGENT_LAUNCHER_SECURITY_LABEL_H_
#define INNKEEPER_AGENT_LAUNCHER_SECURITY_LABEL_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// Those that a guest's QEMU gets; empty: none.
struct SecurityLabels {
  std::string selinux;
  std::string apparmor;
};

bool SelinuxIsEnabled();
bool AppArmorIsEnabled();

// `base` (USER:ROLE:TYPE or USER:ROLE:TYPE:LEVEL) with two categories that
// follow from `uid`: guests whose uids are less than 1,047,552 apart, which are
// those of some 15 instances with ranges side by side, share no pair.
std::string UniqueSelinuxLabel(absl::string_view base, uid_t uid);

// The calling process, when it next executes, takes `labels`.
absl::Status SetExecLabels(const SecurityLabels& labels);

// PERMISSION_DENIED (SYSTEM_ERROR) unless process `pid` has `labels` by now.
absl::Status VerifyLabels(int64_t pid, const SecurityLabels& labels);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_SECURITY_LABEL_H_
