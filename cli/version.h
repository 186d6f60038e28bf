// The version of `inn`.
#ifndef INNKEEPER_CLI_VERSION_H_
#define INNKEEPER_CLI_VERSION_H_

namespace innkeeper {

inline constexpr char kCliVersion[] = "0.1.0";

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_VERSION_H_
