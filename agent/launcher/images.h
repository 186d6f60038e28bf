// Files of the pools, opened so that no name leads out of them.
#ifndef INNKEEPER_AGENT_LAUNCHER_IMAGES_H_
#define INNKEEPER_AGENT_LAUNCHER_IMAGES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace innkeeper {

// Not thread-safe. Reads no byte of any image.
class ImagePools {
 public:
  // Opens each directory of `pools` (name to path) once: what is beneath it is
  // found from there, whatever becomes of its path.
  static absl::StatusOr<ImagePools> Open(
      const std::map<std::string, std::string>& pools);

  // A fresh open file description of a regular file, made for one process:
  // locks belong to the description. `name` is as IsImageName() says; it is
  // resolved without symbolic links and never leaves the pool.
  // INVALID_ARGUMENT (INVALID_REQUEST): the name. NOT_FOUND (POOL_NOT_FOUND,
  // VOLUME_NOT_FOUND). INVALID_ARGUMENT (IMAGE_UNSUPPORTED): a link on the way,
  // not a regular file, or a file with a second name, which its pool's owner
  // may never have put there.
  absl::StatusOr<UniqueFd> OpenImage(absl::string_view pool,
                                     absl::string_view name,
                                     bool writable) const;

  std::vector<std::string> names() const;

 private:
  std::map<std::string, UniqueFd> directories_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_IMAGES_H_
