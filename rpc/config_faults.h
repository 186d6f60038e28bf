// All that is wrong with a configuration, collected.
#ifndef INNKEEPER_RPC_CONFIG_FAULTS_H_
#define INNKEEPER_RPC_CONFIG_FAULTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/error.h"

namespace innkeeper {

// Not thread-safe.
class ConfigFaults {
 public:
  // `description` goes on from the name of the field: "must not be negative".
  void Add(absl::string_view field, absl::string_view description);

  // A path is absolute, and there if it is `required`.
  void CheckPath(absl::string_view field, absl::string_view path,
                 bool required);

  // Takes over the field violations of an error, or else its message.
  void CheckStatus(const absl::Status& status);

  // INVALID_ARGUMENT (CONFIG_INVALID) with every fault of `file`; OK if there
  // is none.
  absl::Status ToStatus(absl::string_view file) const;

 private:
  std::vector<FieldViolation> faults_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_CONFIG_FAULTS_H_
