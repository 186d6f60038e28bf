#include "cli/command/launch_command.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/guest_operation.h"
#include "cli/command/launch_flags.h"
#include "cli/error_reference.h"
#include "cli/name.h"
#include "cli/output/context_view.h"
#include "cli/output/format.h"
#include "cli/output/printable.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "google/longrunning/operations.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

struct LaunchOptions {
  LaunchFlags launch;
  WaitFlags wait;
  ChangeFlags change;
  bool dry_run = false;
};

absl::Status RunLaunch(Session& session, const LaunchOptions& options) {
  ASSIGN_OR_RETURN(
      v1::LaunchGuestRequest request,
      ToLaunchRequest(options.launch, session.environment().input));
  ASSIGN_OR_RETURN(*request.mutable_request_id(), RequestIdOf(options.change));
  request.set_validate_only(options.dry_run);
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  absl::StatusOr<Operation> operation =
      client->Call(&v1::Guests::Stub::LaunchGuest, client->guests(), request);
  if (absl::IsUnavailable(operation.status())) {
    session.Warn(absl::StrCat(
        "it may have been accepted; the same command with --request-id ",
        request.request_id(), " does not launch twice"));
  }
  if (!operation.ok()) return operation.status();
  if (options.dry_run && !IsJson(session.format())) {
    session.Say(absl::StrCat("guests/", request.guest_id(),
                             " could be launched; nothing was done"));
    if (operation->done() && !operation->has_error()) return absl::OkStatus();
  }
  return FinishOperation(session, *std::move(operation), options.wait,
                         absl::StrCat("guests/", request.guest_id()));
}

void AppendList(absl::string_view title, const std::vector<std::string>& items,
                std::string* text) {
  if (items.empty()) return;
  absl::StrAppend(text, title, ":\n");
  for (const std::string& item : items) {
    absl::StrAppend(text, "  ", Printable(item), "\n");
  }
}

// An argument so that a shell would read it as it is.
std::string ShellQuoted(const std::string& argument) {
  constexpr absl::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "-_=,./:+@%";
  if (!argument.empty() &&
      argument.find_first_not_of(kPlain.data(), 0, kPlain.size()) ==
          std::string::npos) {
    return argument;
  }
  std::string quoted = "'";
  for (const char c : argument) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "'";
}

std::string CandidatesText(const v1::ExplainLaunchResponse& response,
                           bool coloured) {
  if (response.candidates().empty()) return "";
  Table table({"HOST", "FITS", "SCORE", "WHY"}, coloured);
  for (const auto& candidate : response.candidates()) {
    table.Add({std::string(ShortName(candidate.host())),
               candidate.fits() ? Cell("yes", Colour::kGood)
                                : Cell("no", Colour::kBad),
               candidate.fits() ? absl::StrFormat("%.2f", candidate.score())
                                : std::string(),
               absl::StrJoin(candidate.reasons(), "; ")});
  }
  return table.Render() + "\n";
}

// "policy at admit: patch (label project = x)"
std::vector<std::string> PluginLines(
    const v1::ExplainLaunchResponse& response) {
  std::vector<std::string> lines;
  for (const auto& verdict : response.plugins()) {
    lines.push_back(absl::StrCat(verdict.plugin(), " at ", verdict.stage(),
                                 ": ", verdict.verdict()));
    if (verdict.details().empty()) continue;
    absl::StrAppend(&lines.back(), " (", absl::StrJoin(verdict.details(), "; "),
                    ")");
  }
  return lines;
}

std::string ExplainText(const v1::ExplainLaunchResponse& response,
                        bool coloured) {
  std::string text = CandidatesText(response, coloured);
  if (!response.host().empty()) {
    absl::StrAppend(&text, "Host: ", Printable(response.host()), "\n");
  }
  if (!response.acceleration().empty()) {
    absl::StrAppend(&text, "Acceleration: ", Printable(response.acceleration()),
                    "\n");
  }
  std::vector<std::string> argv;
  for (const std::string& argument : response.argv()) {
    argv.push_back(ShellQuoted(argument));
  }
  if (!argv.empty()) {
    AppendList("Command line", {absl::StrJoin(argv, " ")}, &text);
  }
  std::vector<std::string> descriptors;
  for (const auto& descriptor : response.descriptors()) {
    descriptors.push_back(
        absl::StrCat(descriptor.number(), ": ", descriptor.what()));
  }
  AppendList("Descriptors", descriptors, &text);
  std::vector<std::string> parts;
  for (const auto& [name, value] : ContextParts(response.effective_context())) {
    parts.push_back(absl::StrCat(name, " = ", value));
  }
  AppendList("Context", parts, &text);
  AppendList("Steps", {response.steps().begin(), response.steps().end()},
             &text);
  AppendList("Plugins", PluginLines(response), &text);
  if (response.refusals().empty()) {
    return absl::StrCat(text, "The launch would go ahead.\n");
  }
  AppendList("In the way",
             {response.refusals().begin(), response.refusals().end()}, &text);
  return text;
}

absl::Status RunExplain(Session& session, const LaunchFlags& flags) {
  if (const auto text = FindReasonText(flags.name); text.has_value()) {
    session.Print(absl::StrCat(flags.name, ": ", *text, "\n"));
    return absl::OkStatus();
  }
  v1::ExplainLaunchRequest request;
  ASSIGN_OR_RETURN(*request.mutable_launch(),
                   ToLaunchRequest(flags, session.environment().input));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(const v1::ExplainLaunchResponse response,
                   client->Call(&v1::Guests::Stub::ExplainLaunch,
                                client->guests(), request));
  if (IsJson(session.format())) return session.PrintJson(response);
  session.Print(session.format() == OutputFormat::kName
                    ? Printable(response.host()) + "\n"
                    : ExplainText(response, session.coloured()));
  return absl::OkStatus();
}

}  // namespace

void AddLaunchCommands(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<LaunchOptions>();
  CLI::App* launch =
      commands.Add(commands.root(), "launch", "Launch a guest",
                   [=] { return RunLaunch(*session, *options); });
  launch->add_option("NAME", options->launch.name, "What to call it")
      ->required();
  AddLaunchFlags(commands, launch, &options->launch);
  AddWaitFlags(launch, &options->wait);
  launch
      ->add_option("--request-id", options->change.request_id,
                   "Repeat the launch that had this id: it happens once")
      ->type_name("UUID");
  launch->add_flag("--dry-run", options->dry_run,
                   "Check everything, change nothing");

  auto explained = std::make_shared<LaunchFlags>();
  CLI::App* explain = commands.Add(
      commands.root(), "explain",
      "Say what a launch would do, or what the reason of an error means",
      [=] { return RunExplain(*session, *explained); });
  explain->add_option("NAME", explained->name, "A guest to be, or a REASON")
      ->required();
  AddLaunchFlags(commands, explain, explained.get());
}

}  // namespace innkeeper
