// What an argument names.
#ifndef INNKEEPER_CLI_COMMAND_NAME_KIND_H_
#define INNKEEPER_CLI_COMMAND_NAME_KIND_H_

namespace innkeeper {

// What a shell can be told to offer for an argument.
enum class NameKind {
  kNone,
  kGuest,
  kHost,
  kOperation,
  kContext,
  kRemote,
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_NAME_KIND_H_
