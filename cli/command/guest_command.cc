#include "cli/command/guest_command.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/guest_operation.h"
#include "cli/command/name_kind.h"
#include "cli/name.h"
#include "cli/operation_waiter.h"
#include "cli/output/format.h"
#include "cli/output/guest_view.h"
#include "cli/output/security_view.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "cli/value.h"
#include "google/longrunning/operations.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

struct ChangeOptions {
  std::vector<std::string> names;
  WaitFlags wait;
  ChangeFlags change;
  bool force = false;
  bool yes = false;
  bool allow_missing = false;
  std::string grace;
};

absl::Status CheckOneForId(const ChangeOptions& options) {
  if (options.names.size() < 2 || options.change.request_id.empty()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               "--request-id is for one guest; name only one");
}

// A request with what every change has.
template <typename Request>
absl::StatusOr<Request> MakeRequest(const std::string& name,
                                    const ChangeFlags& flags) {
  Request request;
  request.set_name(name);
  request.set_etag(flags.etag);
  ASSIGN_OR_RETURN(*request.mutable_request_id(), RequestIdOf(flags));
  return request;
}

// start and reboot: a change without options of its own.
template <typename Request>
absl::Status RunPlain(Session& session, const ChangeOptions& options,
                      grpc::Status (v1::Guests::Stub::*method)(
                          grpc::ClientContext*, const Request&, Operation*)) {
  RETURN_IF_ERROR(CheckOneForId(options));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  return ForEachGuest(session, options.names, [&](const std::string& name) {
    absl::StatusOr<Request> request =
        MakeRequest<Request>(name, options.change);
    if (!request.ok()) return request.status();
    absl::StatusOr<Operation> operation =
        client->Call(method, client->guests(), *request);
    if (!operation.ok()) return operation.status();
    return FinishOperation(session, *std::move(operation), options.wait, name);
  });
}

// pause and resume: answered with the guest.
template <typename Request>
absl::Status RunAtOnce(Session& session, const ChangeOptions& options,
                       grpc::Status (v1::Guests::Stub::*method)(
                           grpc::ClientContext*, const Request&, v1::Guest*)) {
  RETURN_IF_ERROR(CheckOneForId(options));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  return ForEachGuest(session, options.names, [&](const std::string& name) {
    absl::StatusOr<Request> request =
        MakeRequest<Request>(name, options.change);
    if (!request.ok()) return request.status();
    absl::StatusOr<v1::Guest> guest =
        client->Call(method, client->guests(), *request);
    if (!guest.ok()) return guest.status();
    return ShowChanged(session, *guest);
  });
}

absl::StatusOr<Operation> Stop(ApiClient& client, const std::string& name,
                               const ChangeOptions& options) {
  ASSIGN_OR_RETURN(auto request,
                   MakeRequest<v1::StopGuestRequest>(name, options.change));
  request.set_force(options.force);
  if (!options.grace.empty()) {
    ASSIGN_OR_RETURN(const absl::Duration grace, ParseSpan(options.grace));
    const int64_t nanos = absl::ToInt64Nanoseconds(grace);
    request.mutable_grace_period()->set_seconds(nanos / 1000000000);
    request.mutable_grace_period()->set_nanos(
        static_cast<int32_t>(nanos % 1000000000));
  }
  return client.Call(&v1::Guests::Stub::StopGuest, client.guests(), request);
}

absl::Status RunStop(Session& session, const ChangeOptions& options) {
  RETURN_IF_ERROR(CheckOneForId(options));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  return ForEachGuest(
      session, options.names, [&](const std::string& name) -> absl::Status {
        ASSIGN_OR_RETURN(Operation operation, Stop(*client, name, options));
        return FinishOperation(session, std::move(operation), options.wait,
                               name);
      });
}

// Ends the guest at once; fine if it has no process, or is not there, which
// the deletion then judges.
absl::Status StopForDelete(Session& session, ApiClient& client,
                           const std::string& name) {
  ChangeOptions options;
  options.force = true;
  absl::StatusOr<Operation> stopped = Stop(client, name, options);
  if (stopped.ok()) {
    stopped = AwaitOperation(session, *std::move(stopped), absl::Minutes(1));
  }
  if (absl::IsNotFound(stopped.status()) ||
      DetailsOf(stopped.status()).reason == reason::kGuestNotRunning) {
    return absl::OkStatus();
  }
  return Annotate(stopped.status(), "stopping it first");
}

absl::Status ConfirmDelete(Session& session, const ChangeOptions& options) {
  if (options.yes) return absl::OkStatus();
  if (!session.environment().input_is_terminal) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
                 "nobody can be asked whether to delete; try: --yes");
  }
  const std::string question =
      absl::StrCat(options.force ? "stop and delete " : "delete ",
                   absl::StrJoin(options.names, ", "), "?");
  if (session.Confirm(question)) return absl::OkStatus();
  return absl::CancelledError("nothing was deleted");
}

absl::Status RunDelete(Session& session, const ChangeOptions& options) {
  RETURN_IF_ERROR(CheckOneForId(options));
  RETURN_IF_ERROR(ConfirmDelete(session, options));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  return ForEachGuest(
      session, options.names, [&](const std::string& name) -> absl::Status {
        if (options.force) {
          RETURN_IF_ERROR(StopForDelete(session, *client, name));
        }
        ASSIGN_OR_RETURN(auto request, MakeRequest<v1::DeleteGuestRequest>(
                                           name, options.change));
        request.set_allow_missing(options.allow_missing);
        ASSIGN_OR_RETURN(Operation operation,
                         client->Call(&v1::Guests::Stub::DeleteGuest,
                                      client->guests(), request));
        return FinishOperation(session, std::move(operation), options.wait,
                               absl::StrCat(name, " is deleted"));
      });
}

struct ShowOptions {
  std::string name;
  bool security = false;
};

absl::Status ShowSecurity(Session& session, const std::string& name) {
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  v1::GetGuestSecurityRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(const v1::GuestSecurity security,
                   client->Call(&v1::Guests::Stub::GetGuestSecurity,
                                client->guests(), request));
  if (IsJson(session.format())) return session.PrintJson(security);
  if (session.format() == OutputFormat::kName) {
    session.PrintLine(security.guest());
  } else {
    session.Print(SecurityText(
        security, session.format() == OutputFormat::kWide, session.coloured()));
  }
  return absl::OkStatus();
}

absl::Status RunShow(Session& session, const ShowOptions& options) {
  ASSIGN_OR_RETURN(const std::string name, FullName("guests", options.name));
  if (options.security) return ShowSecurity(session, name);
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  v1::GetGuestRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(
      const v1::Guest guest,
      client->Call(&v1::Guests::Stub::GetGuest, client->guests(), request));
  if (IsJson(session.format())) return session.PrintJson(guest);
  if (session.format() == OutputFormat::kName) {
    session.PrintLine(guest.name());
  } else {
    session.Print(GuestDetails(guest, session.environment().clock->Now(),
                               session.coloured()));
  }
  return absl::OkStatus();
}

// Adds a command on guests and hands out its options, which live as long as it.
std::shared_ptr<ChangeOptions> AddChange(
    CommandSet& commands, const std::string& name,
    const std::string& description,
    absl::Status (*run)(Session&, const ChangeOptions&), CLI::App** app) {
  auto options = std::make_shared<ChangeOptions>();
  Session* session = &commands.session();
  *app = commands.Add(commands.root(), name, description,
                      [=] { return run(*session, *options); });
  commands
      .Takes(NameKind::kGuest,
             (*app)->add_option("NAME", options->names, "Guests"))
      ->required();
  AddChangeFlags(*app, &options->change);
  return options;
}

}  // namespace

void AddGuestCommands(CommandSet& commands) {
  using Stub = v1::Guests::Stub;
  Session* session = &commands.session();
  CLI::App* app = nullptr;

  auto shown = std::make_shared<ShowOptions>();
  app = commands.Add(commands.root(), "show", "Show everything about a guest",
                     [=] { return RunShow(*session, *shown); });
  commands
      .Takes(NameKind::kGuest,
             app->add_option("NAME", shown->name, "The guest"))
      ->required();
  app->add_flag("--security", shown->security,
                "What confines it, as its host's kernel says, beside what was "
                "asked for");

  auto start = AddChange(
      commands, "start", "Start guests that are stopped",
      [](Session& session, const ChangeOptions& options) {
        return RunPlain(session, options, &Stub::StartGuest);
      },
      &app);
  AddWaitFlags(app, &start->wait);

  auto stop = AddChange(commands, "stop",
                        "Ask guests to stop, and end those that do not",
                        &RunStop, &app);
  AddWaitFlags(app, &stop->wait);
  app->add_flag("-f,--force", stop->force, "End them at once");
  app->add_option("--grace", stop->grace,
                  "How long they have to stop by themselves (default 60s)")
      ->type_name("SPAN");

  auto reboot = AddChange(
      commands, "reboot", "Reset running guests",
      [](Session& session, const ChangeOptions& options) {
        return RunPlain(session, options, &Stub::RebootGuest);
      },
      &app);
  AddWaitFlags(app, &reboot->wait);

  AddChange(
      commands, "pause", "Halt the processors of guests",
      [](Session& session, const ChangeOptions& options) {
        return RunAtOnce(session, options, &Stub::PauseGuest);
      },
      &app);
  AddChange(
      commands, "resume", "Let paused guests go on",
      [](Session& session, const ChangeOptions& options) {
        return RunAtOnce(session, options, &Stub::ResumeGuest);
      },
      &app);

  auto remove = AddChange(commands, "delete",
                          "Remove guests from the list; their volumes stay",
                          &RunDelete, &app);
  AddWaitFlags(app, &remove->wait);
  // Stopping changes the etag.
  app->add_flag("-f,--force", remove->force, "End running guests first")
      ->excludes("--etag");
  app->add_flag("-y,--yes", remove->yes, "Do not ask");
  app->add_flag("--allow-missing", remove->allow_missing,
                "Fine if a guest is not there");
}

}  // namespace innkeeper
