// What QEMU says without being asked.
#ifndef INNKEEPER_AGENT_QMP_EVENT_H_
#define INNKEEPER_AGENT_QMP_EVENT_H_

#include <string>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace innkeeper {

// Written by the guest's QEMU: untrusted beyond the shape told here.
struct QmpEvent {
  std::string name;     // 1 to 128 letters, digits, '_', '.' and '-'.
  nlohmann::json data;  // An object, empty if QEMU gave none.
  // By QEMU's clock; InfinitePast if QEMU could not read it.
  absl::Time time;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_QMP_EVENT_H_
