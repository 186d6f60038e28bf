// The name of one image: `pools/{pool}/volumes/{volume}`.
#ifndef INNKEEPER_AGENT_GUEST_VOLUME_NAME_H_
#define INNKEEPER_AGENT_GUEST_VOLUME_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// A file of a configured pool. Never a path of the host.
struct VolumeName {
  std::string pool;
  std::string volume;

  // "pools/p/volumes/v".
  std::string ToString() const;

  friend bool operator==(const VolumeName& a, const VolumeName& b) {
    return a.pool == b.pool && a.volume == b.volume;
  }
};

// Whether `text` may name a pool or a volume:
// [A-Za-z0-9][A-Za-z0-9_.-]{0,62}
bool IsPoolOrVolumeId(absl::string_view text);

// What to say of a volume's name in which one of the two is not that.
inline constexpr absl::string_view kVolumeNameRule =
    "must be pools/{pool}/volumes/{volume}, both of letters, digits, '_', '.' "
    "and '-', beginning with a letter or digit";

// INVALID_ARGUMENT, naming `field`, if `name` is not a volume's name.
absl::StatusOr<VolumeName> ParseVolumeName(absl::string_view name,
                                           absl::string_view field);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_GUEST_VOLUME_NAME_H_
