// What decisions about rights need to know of a thing.
#ifndef INNKEEPER_AUTH_RESOURCE_H_
#define INNKEEPER_AUTH_RESOURCE_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// A value.
struct ResourceAttributes {
  std::string name;   // "guests/web", "hosts/h1", "operations/UUID".
  std::string owner;  // "user/alice"; empty: nobody's.
  std::string host;   // "hosts/h1"; empty: none.
  std::map<std::string, std::string> labels;
};

// Looks names up. Thread-safe; never blocks on a guest or the network.
class ResourceResolver {
 public:
  virtual ~ResourceResolver() = default;
  // NOT_FOUND if there is nothing of that name; the message is not shown.
  virtual absl::StatusOr<ResourceAttributes> Resolve(
      absl::string_view name) const = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AUTH_RESOURCE_H_
