#include "cli/command/completion_command.h"

#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/command/command_set.h"
#include "cli/command/completer.h"
#include "cli/output/printable.h"
#include "cli/session.h"

namespace innkeeper {
namespace {

// The scripts know no command: they ask the very binary that is typed, so they
// never lag behind it.

constexpr char kBash[] =
    R"sh(# Completion of inn for bash: . <(inn completion bash)
_inn() {
  local word
  COMPREPLY=()
  while IFS=$'\t' read -r word _; do
    if [[ $word == :files ]]; then
      compopt -o default 2>/dev/null
      continue
    fi
    COMPREPLY+=("$word")
  done < <("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _inn inn
)sh";

constexpr char kZsh[] = R"sh(#compdef inn
# Completion of inn for zsh: . <(inn completion zsh)
_inn() {
  local line word
  local -a offers
  while IFS= read -r line; do
    word=${line%%$'\t'*}
    if [[ $word == :files ]]; then
      _files
      continue
    fi
    offers+=("${word//:/\\:}:${line#*$'\t'}")
  done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe -V 'inn' offers
}
if [[ $funcstack[1] == _inn ]]; then
  _inn "$@"
elif (( $+functions[compdef] )); then
  compdef _inn inn
fi
)sh";

constexpr char kFish[] =
    R"sh(# Completion of inn for fish: inn completion fish | source
function __inn_complete
  set -l typed (commandline -opc)
  for line in ($typed[1] __complete $typed[2..-1] (commandline -ct) 2>/dev/null)
    if test "$line" = ":files"
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c inn -f -a '(__inn_complete)'
)sh";

absl::Status RunCompletion(Session& session, const std::string& shell) {
  session.Print(shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
  return absl::OkStatus();
}

}  // namespace

void AddCompletionCommand(CommandSet& commands) {
  Session* session = &commands.session();
  auto shell = std::make_shared<std::string>();
  commands
      .Add(commands.root(), "completion",
           "Print what makes a shell complete this command",
           [=] { return RunCompletion(*session, *shell); })
      ->add_option("SHELL", *shell, "bash, zsh or fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->required();
}

void PrintSuggestions(CommandSet& commands,
                      const std::vector<std::string>& words) {
  const Suggestions suggestions = Complete(commands, words);
  std::string lines;
  for (const Suggestion& suggestion : suggestions.values) {
    absl::StrAppend(&lines, Printable(suggestion.value), "\t",
                    Printable(suggestion.description), "\n");
  }
  if (suggestions.files) lines += ":files\n";
  commands.session().Print(lines);
}

}  // namespace innkeeper
