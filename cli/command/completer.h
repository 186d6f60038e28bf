// What a shell may offer for a command line that is half typed.
#ifndef INNKEEPER_CLI_COMMAND_COMPLETER_H_
#define INNKEEPER_CLI_COMMAND_COMPLETER_H_

#include <string>
#include <vector>

#include "cli/command/command_set.h"

namespace innkeeper {

// One way to go on.
struct Suggestion {
  std::string value;        // Takes the place of the last word.
  std::string description;  // For people; may be empty.
};

struct Suggestions {
  std::vector<Suggestion> values;
  bool files = false;  // Names of files, which the shell knows.
};

// `words` are those after "inn"; the last one, which may be empty, is what is
// being typed. Commands, options and choices come from the tree of `commands`;
// names of guests, hosts, operations and remotes from the remote that the words
// choose, which is asked for 2 s at most. Where that fails there are none. What
// a shell would not take for one plain word is never among them. Blocks.
//
// A value may also come as three words, as bash splits --option=value.
Suggestions Complete(CommandSet& commands,
                     const std::vector<std::string>& words);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_COMPLETER_H_
