#include "cli/command/console_command.h"

#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/command/command_set.h"
#include "cli/command/name_kind.h"
#include "cli/console_session.h"
#include "cli/name.h"
#include "cli/session.h"
#include "cli/value.h"

namespace innkeeper {
namespace {

struct ConsoleFlags {
  std::string name;
  std::string escape = "^]";
  std::string until;
  std::string timeout;
  bool read_only = false;
};

absl::Status RunConsole(Session& session, const ConsoleFlags& flags) {
  ConsoleOptions options;
  ASSIGN_OR_RETURN(options.guest, FullName("guests", flags.name));
  ASSIGN_OR_RETURN(options.escape, ParseEscape(flags.escape));
  options.read_only = flags.read_only;
  options.until = flags.until;
  if (!flags.timeout.empty()) {
    ASSIGN_OR_RETURN(options.timeout, ParseSpan(flags.timeout));
  }
  if (session.environment().input_is_terminal && options.escape.has_value()) {
    session.Progress(absl::StrCat("console of ", options.guest, "; ",
                                  flags.escape, " detaches"));
  }
  return AttachConsole(session, options);
}

}  // namespace

void AddConsoleCommand(CommandSet& commands) {
  Session* session = &commands.session();
  auto flags = std::make_shared<ConsoleFlags>();
  CLI::App* console =
      commands.Add(commands.root(), "console", "Join a guest's serial console",
                   [=] { return RunConsole(*session, *flags); });
  commands
      .Takes(NameKind::kGuest,
             console->add_option("NAME", flags->name, "The guest"))
      ->required();
  console->add_flag("--read-only", flags->read_only, "Only watch");
  console
      ->add_option("--escape", flags->escape, "The key that detaches, or none")
      ->type_name("KEY")
      ->capture_default_str();
  console
      ->add_option("--until", flags->until,
                   "Detach once the guest has written this")
      ->type_name("TEXT");
  console->add_option("--timeout", flags->timeout, "Detach after this long")
      ->type_name("SPAN");
}

}  // namespace innkeeper
