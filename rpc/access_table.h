// Which permission each method asks for, read from the API itself.
#ifndef INNKEEPER_RPC_ACCESS_TABLE_H_
#define INNKEEPER_RPC_ACCESS_TABLE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace innkeeper {

// How far the cluster server is trusted with a method.
enum class AccessClass { kA, kB, kC };

struct AccessRule {
  // "innkeeper.v1.Guests/StartGuest".
  std::string method;
  // What the caller's role must hold. Never empty.
  std::string permission;
  // A dotted path to the field that names what is acted on. Empty for a whole
  // collection.
  std::string resource_field;
  AccessClass access_class = AccessClass::kA;
};

// Immutable once made.
class AccessTable {
 public:
  // Reads the rule of every method of `services` ("innkeeper.v1.Guests") from
  // its option `access`, or from the table in the code for google.longrunning,
  // grpc.health and grpc.reflection. FAILED_PRECONDITION (CONFIG_INVALID)
  // naming every method without a rule, service that is not linked in, and
  // request type that does not lead to one method.
  static absl::StatusOr<AccessTable> Create(
      const std::vector<std::string>& services);

  // The rule of the method that takes `request`; `streams` says whether the
  // server streams. Null if there is none: the call is refused.
  const AccessRule* Find(const google::protobuf::Descriptor* request,
                         bool streams) const;

  // FAILED_PRECONDITION unless each of `services` was given to Create(), so
  // that nothing is served that the table does not know.
  absl::Status Covers(const std::vector<std::string>& services) const;

  const std::vector<std::string>& services() const { return services_; }
  // Every rule, in the order of services and methods.
  std::vector<AccessRule> Rules() const;

 private:
  AccessTable() = default;

  std::vector<std::string> services_;
  std::vector<const google::protobuf::MethodDescriptor*> order_;
  absl::flat_hash_map<std::pair<const google::protobuf::Descriptor*, bool>,
                      AccessRule>
      rules_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_ACCESS_TABLE_H_
