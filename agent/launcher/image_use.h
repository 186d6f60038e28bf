// What an image is opened for.
#ifndef INNKEEPER_AGENT_LAUNCHER_IMAGE_USE_H_
#define INNKEEPER_AGENT_LAUNCHER_IMAGE_USE_H_

#include <cstdint>

namespace innkeeper {

enum class ImageUse : uint8_t {
  kInspect,  // The agent reads its header; others may have it at the same time.
  kRead,     // A guest reads it.
  kWrite,    // A guest reads and writes it.
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_IMAGE_USE_H_
