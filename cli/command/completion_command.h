// inn completion, and what the shells ask by it.
#ifndef INNKEEPER_CLI_COMMAND_COMPLETION_COMMAND_H_
#define INNKEEPER_CLI_COMMAND_COMPLETION_COMMAND_H_

#include <string>
#include <vector>

#include "cli/command/command_set.h"

namespace innkeeper {

// The hidden first word by which the scripts ask. What follows it need not be
// a whole command line, so it is no command.
inline constexpr char kCompleteWord[] = "__complete";

void AddCompletionCommand(CommandSet& commands);

// Prints what may take the place of the last of `words`, one a line: the word,
// a tab and what it means. ":files" alone stands for names of files. After
// every other command was added. Blocks for 2 s at most.
void PrintSuggestions(CommandSet& commands,
                      const std::vector<std::string>& words);

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_COMMAND_COMPLETION_COMMAND_H_
