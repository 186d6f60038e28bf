// Which Innkeeper this is.
#ifndef INNKEEPER_BASE_VERSION_H_
#define INNKEEPER_BASE_VERSION_H_

namespace innkeeper {

// The release, or the one that is being worked towards: see CHANGELOG.md.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_VERSION_H_
