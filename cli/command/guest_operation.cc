#include "cli/command/guest_operation.h"

#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "cli/errors.h"
#include "cli/name.h"
#include "cli/operation_waiter.h"
#include "cli/output/format.h"
#include "cli/session.h"
#include "cli/value.h"
#include "google/longrunning/operations.pb.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {

using google::longrunning::Operation;

void AddWaitFlags(CLI::App* app, WaitFlags* flags) {
  app->add_flag(
      "--wait,!--no-wait", flags->wait,
      "Wait until it is done (default), or only until it is accepted");
  app->add_option("--timeout", flags->timeout,
                  "How long to wait; what is under way goes on")
      ->type_name("SPAN")
      ->capture_default_str();
}

void AddChangeFlags(CLI::App* app, ChangeFlags* flags) {
  app->add_option("--request-id", flags->request_id,
                  "Repeat the request that had this id: it happens once")
      ->type_name("UUID");
  app->add_option("--etag", flags->etag,
                  "Only if the guest is as it was with this etag");
}

absl::StatusOr<std::string> RequestIdOf(const ChangeFlags& flags) {
  if (flags.request_id.empty()) return MakeUuid();
  std::string id = absl::AsciiStrToLower(flags.request_id);
  if (IsUuid(id)) return id;
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat("'", flags.request_id, "' is no UUID"))
      .Build();
}

absl::Status ShowChanged(Session& session, const v1::Guest& guest) {
  if (IsJson(session.format())) return session.PrintJson(guest);
  if (session.format() == OutputFormat::kName) {
    session.PrintLine(guest.name());
    return absl::OkStatus();
  }
  std::string text =
      absl::StrCat(guest.name(), " is ", v1::Guest::State_Name(guest.state()));
  if (!guest.host().empty()) absl::StrAppend(&text, " on ", guest.host());
  if (!guest.owner().empty()) absl::StrAppend(&text, " for ", guest.owner());
  session.Say(text);
  return absl::OkStatus();
}

absl::Status FinishOperation(Session& session, Operation operation,
                             const WaitFlags& flags, const std::string& done) {
  if (!flags.wait && !operation.done()) {
    if (IsJson(session.format())) return session.PrintJson(operation);
    // With -q too: without its name nobody could wait for it.
    session.PrintLine(session.format() == OutputFormat::kName
                          ? operation.name()
                          : absl::StrCat(operation.name(), ": ",
                                         DescribeOperation(operation)));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const absl::Duration timeout, ParseSpan(flags.timeout));
  ASSIGN_OR_RETURN(operation,
                   AwaitOperation(session, std::move(operation), timeout));
  v1::Guest guest;
  if (operation.response().UnpackTo(&guest)) return ShowChanged(session, guest);
  if (IsJson(session.format())) return session.PrintJson(operation);
  session.Say(done);
  return absl::OkStatus();
}

absl::Status ForEachGuest(
    Session& session, const std::vector<std::string>& names,
    const std::function<absl::Status(const std::string& name)>& change) {
  absl::Status last;
  for (const std::string& text : names) {
    const absl::StatusOr<std::string> name = FullName("guests", text);
    const absl::Status status = name.ok() ? change(*name) : name.status();
    if (status.ok()) continue;
    if (!last.ok()) *session.environment().err << ErrorText("", last);
    last = status;
  }
  return last;
}

}  // namespace innkeeper
