#include "cli/command/operation_command.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/guest_operation.h"
#include "cli/command/name_kind.h"
#include "cli/command/print_list.h"
#include "cli/errors.h"
#include "cli/name.h"
#include "cli/output/fields.h"
#include "cli/output/format.h"
#include "cli/output/table.h"
#include "cli/output/time_text.h"
#include "cli/session.h"
#include "cli/value.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/protobuf/empty.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::ListOperationsRequest;
using google::longrunning::ListOperationsResponse;
using google::longrunning::Operation;
using Stub = google::longrunning::Operations::Stub;

struct OperationOptions {
  std::string name;
  std::string filter;
  WaitFlags wait;
};

v1::GuestOperationMetadata MetadataOf(const Operation& operation) {
  v1::GuestOperationMetadata metadata;
  if (!operation.metadata().UnpackTo(&metadata)) metadata.Clear();
  return metadata;
}

Cell StateCell(const Operation& operation) {
  if (!operation.done()) return Cell("running", Colour::kWarning);
  return operation.has_error() ? Cell("failed", Colour::kBad)
                               : Cell("done", Colour::kGood);
}

std::vector<Cell> OperationRow(const Operation& operation, absl::Time now) {
  const v1::GuestOperationMetadata metadata = MetadataOf(operation);
  return {std::string(ShortName(operation.name())),
          metadata.verb(),
          std::string(ShortName(metadata.guest())),
          StateCell(operation),
          metadata.step(),
          metadata.caller(),
          metadata.has_create_time()
              ? FormatAge(now - ToTime(metadata.create_time()))
              : std::string()};
}

absl::Status RunList(Session& session, const OperationOptions& options) {
  ListOperationsRequest request;
  request.set_name("operations");
  request.set_filter(options.filter);
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ListOperationsResponse all;
  RETURN_IF_ERROR(client->CallForPages(
      &Stub::ListOperations, client->operations(), request,
      [&](ListOperationsResponse& page) {
        all.mutable_operations()->MergeFrom(page.operations());
      }));
  const absl::Time now = session.environment().clock->Now();
  return PrintList(
      session, all, all.operations(),
      Table({"NAME", "VERB", "GUEST", "STATE", "STEP", "CALLER", "AGE"},
            session.coloured()),
      [&](const Operation& one) { return OperationRow(one, now); });
}

absl::StatusOr<Operation> Get(ApiClient& client, const std::string& text) {
  google::longrunning::GetOperationRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName("operations", text));
  return client.Call(&Stub::GetOperation, client.operations(), request);
}

absl::Status RunShow(Session& session, const OperationOptions& options) {
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(const Operation operation, Get(*client, options.name));
  if (IsJson(session.format())) return session.PrintJson(operation);
  if (session.format() == OutputFormat::kName) {
    session.PrintLine(operation.name());
    return absl::OkStatus();
  }
  const v1::GuestOperationMetadata metadata = MetadataOf(operation);
  Fields fields(session.coloured());
  fields.Add("Name", operation.name());
  fields.Add("Verb", metadata.verb());
  fields.Add("Guest", metadata.guest());
  fields.Add("Host", metadata.host());
  fields.Add("State", StateCell(operation));
  fields.Add("Step", metadata.step());
  fields.Add("Caller", metadata.caller());
  if (metadata.has_create_time()) {
    fields.Add("Accepted", TimeText(metadata.create_time()));
  }
  if (metadata.has_end_time()) {
    fields.Add("Ended", TimeText(metadata.end_time()));
  }
  session.Print(fields.Render());
  if (operation.has_error()) {
    // How it failed is what was asked for, and no failure of this command.
    session.Print(
        ErrorText(metadata.verb(), FromOperationError(operation.error())));
  }
  return absl::OkStatus();
}

absl::Status RunWait(Session& session, const OperationOptions& options) {
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(Operation operation, Get(*client, options.name));
  const std::string done = absl::StrCat(operation.name(), " is done");
  return FinishOperation(session, std::move(operation), options.wait, done);
}

absl::Status RunCancel(Session& session, const OperationOptions& options) {
  google::longrunning::CancelOperationRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(),
                   FullName("operations", options.name));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(
      const google::protobuf::Empty empty,
      client->Call(&Stub::CancelOperation, client->operations(), request));
  if (IsJson(session.format())) return session.PrintJson(empty);
  session.Say(absl::StrCat(request.name(), " was asked to stop"));
  return absl::OkStatus();
}

}  // namespace

void AddOperationCommands(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<OperationOptions>();
  OperationOptions* flags = options.get();
  CLI::App* group = commands.AddGroup("op", "Operations that are under way");

  CLI::App* list = commands.Add(group, "list", "List operations",
                                [=] { return RunList(*session, *options); });
  list->alias("ls");
  list->add_option("--filter", flags->filter, "Such as: done = false")
      ->type_name("FILTER");
  const auto add_name = [&](CLI::App* app) {
    commands
        .Takes(NameKind::kOperation,
               app->add_option("OPERATION", flags->name, "Its name"))
        ->required();
  };
  add_name(commands.Add(group, "show", "Show an operation",
                        [=] { return RunShow(*session, *options); }));
  CLI::App* wait = commands.Add(group, "wait", "Wait for an operation to end",
                                [=] { return RunWait(*session, *options); });
  add_name(wait);
  wait->add_option("--timeout", flags->wait.timeout,
                   "How long to wait; the operation goes on")
      ->type_name("SPAN")
      ->capture_default_str();
  add_name(commands.Add(group, "cancel", "Ask an operation to stop",
                        [=] { return RunCancel(*session, *options); }));
}

}  // namespace innkeeper
