#include "cli/app.h"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Error.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/command/command_set.h"
#include "cli/command/completion_command.h"
#include "cli/command/console_command.h"
#include "cli/command/context_command.h"
#include "cli/command/doctor_command.h"
#include "cli/command/event_command.h"
#include "cli/command/guest_command.h"
#include "cli/command/host_command.h"
#include "cli/command/launch_command.h"
#include "cli/command/list_command.h"
#include "cli/command/operation_command.h"
#include "cli/command/pki_command.h"
#include "cli/command/policy_command.h"
#include "cli/command/remote_command.h"
#include "cli/command/report_command.h"
#include "cli/command/version_command.h"
#include "cli/command/wait_command.h"
#include "cli/environment.h"
#include "cli/errors.h"
#include "cli/exit_code.h"
#include "cli/output/printable.h"
#include "cli/session.h"
#include "cli/version.h"

namespace innkeeper {
namespace {

constexpr char kFooter[] =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 unreachable, 4 not found,\n"
    "5 denied, 6 timeout, 7 conflict.\n"
    "Variables: INN_REMOTE, INN_ADDRESS, INN_CERT, INN_KEY, INN_CA,\n"
    "INN_SERVER_NAME, NO_COLOR.";

void AddAll(CommandSet& commands) {
  AddLaunchCommands(commands);
  AddListCommand(commands);
  AddGuestCommands(commands);
  AddReportCommand(commands);
  AddConsoleCommand(commands);
  AddWaitCommand(commands);
  AddEventCommand(commands);
  AddHostCommands(commands);
  AddContextCommands(commands);
  AddOperationCommands(commands);
  AddRemoteCommands(commands);
  AddPolicyCommand(commands);
  AddPkiCommands(commands);
  AddDoctorCommand(commands);
  AddCompletionCommand(commands);
  AddVersionCommand(commands);
}

ExitCode TellUsage(const CLI::ParseError& error, const CommandSet& commands,
                   const Environment& environment) {
  const std::string words = commands.Parsed();
  *environment.err << "inn: " << Printable(error.what()) << "\ntry: inn "
                   << words << (words.empty() ? "" : " ") << "--help"
                   << std::endl;
  return ExitCode::kUsage;
}

}  // namespace

ExitCode RunInn(const std::vector<std::string>& arguments,
                const Environment& environment) {
  Session session(environment);
  CLI::App app("Launches and controls guests, on one host or on all of them.",
               "inn");
  app.require_subcommand(1);
  app.set_version_flag("--version", absl::StrCat("inn ", kCliVersion));
  app.footer(kFooter);
  CommandSet commands(&app, &session);
  AddAll(commands);
  if (!arguments.empty() && arguments.front() == kCompleteWord) {
    PrintSuggestions(commands, {arguments.begin() + 1, arguments.end()});
    return ExitCode::kOk;
  }
  // CLI11 takes them last to first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    *environment.out << app.help() << std::flush;
    return ExitCode::kOk;
  } catch (const CLI::CallForVersion&) {
    *environment.out << "inn " << kCliVersion << std::endl;
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    return TellUsage(error, commands, environment);
  }
  const absl::Status status = commands.Run();
  if (!status.ok()) {
    *environment.err << ErrorText(commands.Parsed(), status) << std::flush;
  }
  return ExitCodeOf(status.code());
}

}  // namespace innkeeper
