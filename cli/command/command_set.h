// The tree of commands.
#ifndef INNKEEPER_CLI_COMMAND_COMMAND_SET_H_
#define INNKEEPER_CLI_COMMAND_COMMAND_SET_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "cli/command/name_kind.h"
#include "cli/session.h"

namespace innkeeper {

// Not thread-safe. Neither the tree nor the session is owned; both outlive
// this.
class CommandSet {
 public:
  CommandSet(CLI::App* root, Session* session);

  Session& session() { return *session_; }
  CLI::App* root() { return root_; }

  // Adds a command that does something itself, with the options that all of
  // them take. `run` is called if this command is the one given.
  CLI::App* Add(CLI::App* parent, const std::string& name,
                const std::string& description,
                std::function<absl::Status()> run);
  // Notes what `option` names, for Complete. Returns it.
  CLI::Option* Takes(NameKind kind, CLI::Option* option);
  // What was noted; kNone if nothing was.
  NameKind KindOf(const CLI::Option* option) const;

  // Adds a command that only has commands.
  CLI::App* AddGroup(const std::string& name, const std::string& description);

  // Runs the command that was parsed.
  absl::Status Run();
  // Its words: "host cordon". Empty before parsing.
  std::string Parsed() const;

 private:
  struct Command {
    CLI::App* app;
    std::string words;
    std::function<absl::Status()> run;
  };

  const Command* FindParsed() const;

  CLI::App* const root_;
  Session* const session_;
  std::vector<Command> commands_;
  std::map<const CLI::Option*, NameKind> kinds_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_COMMAND_SET_H_
