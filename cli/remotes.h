// The services that `inn` knows, in a file of the user's.
#ifndef INNKEEPER_CLI_REMOTES_H_
#define INNKEEPER_CLI_REMOTES_H_

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

// How to reach one agent or server.
struct Remote {
  // host:port, or unix:PATH, where the kernel says who calls and none of the
  // fields below is used.
  std::string address;
  std::string cert;  // PEM files: the caller's certificate and its issuer's,
  std::string key;   // its key,
  std::string ca;    // and the roots to trust.
  // The principal that has to answer: "server/lab", "host/h1". Empty: any
  // server or host of these roots.
  std::string server_name;
};

// Value type.
struct Remotes {
  std::string current;  // Empty or a key of `remotes`.
  std::map<std::string, Remote> remotes;
};

// Reads an environment variable; empty ones count as unset.
using VariableReader =
    std::function<std::optional<std::string>(const std::string&)>;

// Where the file is: $XDG_CONFIG_HOME/innkeeper/remotes.json or
// ~/.config/innkeeper/remotes.json. FAILED_PRECONDITION without either
// variable.
absl::StatusOr<std::string> RemotesPath(const VariableReader& variable);

// No remotes where there is no file. INVALID_ARGUMENT if it is not one that
// SaveRemotes could have written.
absl::StatusOr<Remotes> LoadRemotes(const std::string& path);

// Replaces the file in one step, readable by its owner only; makes its
// directory.
absl::Status SaveRemotes(const std::string& path, const Remotes& remotes);

// [a-z0-9][a-z0-9._-]{0,62}, or INVALID_ARGUMENT.
absl::Status CheckRemoteName(absl::string_view name);

// The remote to use: `name`, else INN_REMOTE, else the current one; then
// INN_ADDRESS, INN_CERT, INN_KEY, INN_CA and INN_SERVER_NAME each replace a
// field, or only fill those that are empty where there is a `name`. With
// INN_ADDRESS and neither `name` nor INN_REMOTE the file is not read. NOT_FOUND
// for a name that is not in the file; INVALID_ARGUMENT where no address, or no
// certificate for one that needs it, comes out.
absl::StatusOr<Remote> ChooseRemote(const std::string& name,
                                    const VariableReader& variable);

// Whether `address` is a socket on this machine.
bool IsUnixAddress(absl::string_view address);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_REMOTES_H_
