#include "cli/command/report_command.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/container/btree_set.h"
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
#include "cli/command/name_kind.h"
#include "cli/filter.h"
#include "cli/name.h"
#include "cli/output/fields.h"
#include "cli/output/format.h"
#include "cli/output/security_view.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "innkeeper/v1/policy.pb.h"

namespace innkeeper {
namespace {

struct ReportOptions {
  std::string host;
  std::string owner;
};

// A guest without a report, and why.
struct Unread {
  std::string guest;
  absl::Status status;
};

struct Report {
  std::string time;
  v1::WhoAmIResponse caller;
  std::vector<v1::Host> hosts;
  std::vector<v1::GuestSecurity> guests;  // Those that differ first.
  std::vector<std::string> stopped;       // Without a process.
  std::vector<Unread> unread;
  absl::btree_set<std::string> unreachable;
  int differing = 0;  // Guests.
};

absl::Status ReadHosts(ApiClient& client, const std::string& only,
                       Report* report) {
  return client.CallForPages(&v1::Hosts::Stub::ListHosts, client.hosts(),
                             v1::ListHostsRequest(),
                             [&](v1::ListHostsResponse& page) {
                               for (v1::Host& host : *page.mutable_hosts()) {
                                 if (!only.empty() && host.name() != only)
                                   continue;
                                 if (host.state() != v1::Host::UP) {
                                   report->unreachable.insert(host.name());
                                 }
                                 report->hosts.push_back(std::move(host));
                               }
                             });
}

absl::StatusOr<std::vector<std::string>> ReadGuests(ApiClient& client,
                                                    const std::string& filter,
                                                    Report* report) {
  std::vector<std::string> names;
  v1::ListGuestsRequest request;
  request.set_filter(filter);
  RETURN_IF_ERROR(client.CallForPages(
      &v1::Guests::Stub::ListGuests, client.guests(), request,
      [&](v1::ListGuestsResponse& page) {
        for (const v1::Guest& guest : page.guests()) {
          names.push_back(guest.name());
        }
        report->unreachable.insert(page.unreachable().begin(),
                                   page.unreachable().end());
      }));
  return names;
}

void ReadSecurity(ApiClient& client, const std::string& name, Report* report) {
  v1::GetGuestSecurityRequest request;
  request.set_name(name);
  absl::StatusOr<v1::GuestSecurity> security = client.Call(
      &v1::Guests::Stub::GetGuestSecurity, client.guests(), request);
  if (security.ok()) {
    // What could not be read is not as asked either.
    auto place = report->guests.end();
    if (!security->as_asked()) {
      place = report->guests.begin() + report->differing++;
    }
    report->guests.insert(place, *std::move(security));
  } else if (DetailsOf(security.status()).reason == reason::kGuestNotRunning) {
    report->stopped.push_back(name);
  } else {
    report->unread.push_back({name, security.status()});
  }
}

// `message` as a value of the report's JSON.
google::protobuf::Value AsValue(const google::protobuf::Message& message) {
  std::string json;
  google::protobuf::Value value;
  if (google::protobuf::util::MessageToJsonString(message, &json).ok()) {
    (void)google::protobuf::util::JsonStringToMessage(json, &value);
  }
  return value;
}

google::protobuf::Value Text(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  return value;
}

google::protobuf::Struct ToStruct(const Report& report) {
  google::protobuf::Struct document;
  auto& fields = *document.mutable_fields();
  fields["reportTime"] = Text(report.time);
  fields["caller"] = Text(report.caller.principal());
  fields["answeredBy"] = Text(report.caller.answered_by());
  fields["version"] = Text(report.caller.version());
  fields["differingGuestCount"].set_number_value(report.differing);
  auto* hosts = fields["hosts"].mutable_list_value();
  for (const v1::Host& host : report.hosts) {
    *hosts->add_values() = AsValue(host);
  }
  auto* guests = fields["guests"].mutable_list_value();
  for (const v1::GuestSecurity& guest : report.guests) {
    *guests->add_values() = AsValue(guest);
  }
  auto* stopped = fields["guestsWithoutProcess"].mutable_list_value();
  for (const std::string& name : report.stopped) {
    *stopped->add_values() = Text(name);
  }
  auto* unread = fields["unreadGuests"].mutable_list_value();
  for (const Unread& one : report.unread) {
    auto& entry =
        *unread->add_values()->mutable_struct_value()->mutable_fields();
    entry["guest"] = Text(one.guest);
    entry["reason"] = Text(DetailsOf(one.status).reason);
    entry["message"] = Text(std::string(one.status.message()));
  }
  auto* unreachable = fields["unreachableHosts"].mutable_list_value();
  for (const std::string& host : report.unreachable) {
    *unreachable->add_values() = Text(host);
  }
  return document;
}

std::string ToText(const Report& report, bool wide, bool coloured) {
  Fields fields(coloured);
  fields.Add("Report of", report.time);
  fields.Add("Asked by", report.caller.principal());
  fields.Add("Answered by",
             absl::StrCat(report.caller.answered_by(), " (version ",
                          report.caller.version(), ")"));
  fields.Add("Guests looked at", absl::StrCat(report.guests.size()));
  fields.Add("Not as asked",
             Cell(absl::StrCat(report.differing),
                  report.differing > 0 ? Colour::kBad : Colour::kGood));
  if (!report.stopped.empty()) {
    fields.Add("Without a process", absl::StrJoin(report.stopped, " "));
  }
  if (!report.unreachable.empty()) {
    fields.Add("Unreachable",
               Cell(absl::StrJoin(report.unreachable, " "), Colour::kWarning));
  }
  for (const Unread& one : report.unread) {
    fields.Add("Not read",
               Cell(absl::StrCat(one.guest, ": ", one.status.message()),
                    Colour::kWarning));
  }
  std::string text = fields.Render();
  Table hosts({"HOST", "STATE", "AGENT", "QEMU", "ACCELERATION"}, coloured);
  for (const v1::Host& host : report.hosts) {
    hosts.Add({host.name(), v1::Host::State_Name(host.state()),
               host.agent_version(), host.qemu_version(),
               absl::StrCat(host.acceleration().kvm() ? "KVM" : "TCG", ", ",
                            host.acceleration().reason())});
  }
  absl::StrAppend(&text, "\n", hosts.Render());
  for (const v1::GuestSecurity& guest : report.guests) {
    absl::StrAppend(&text, "\n", SecurityText(guest, wide, coloured));
  }
  return text;
}

// What the exit code says of a report: a difference weighs most.
absl::Status Judge(const Report& report) {
  if (report.differing > 0) {
    return absl::UnknownError(absl::StrCat(
        report.differing, " of ", report.guests.size(),
        " guests are not seen to be confined as asked; see above"));
  }
  if (!report.unread.empty()) {
    return Annotate(report.unread[0].status, report.unread[0].guest);
  }
  if (report.unreachable.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, reason::kHostUnreachable,
               absl::StrCat("nobody looked at the guests of ",
                            absl::StrJoin(report.unreachable, ", "),
                            "; ask again once they are up"));
}

absl::Status RunReport(Session& session, const ReportOptions& options) {
  std::vector<std::string> terms;
  std::string host;
  if (!options.owner.empty()) {
    ASSIGN_OR_RETURN(const std::string owner, OwnerName(options.owner));
    terms.push_back(FilterTerm("owner", owner));
  }
  if (!options.host.empty()) {
    ASSIGN_OR_RETURN(host, FullName("hosts", options.host));
    terms.push_back(FilterTerm("host", host));
  }
  ASSIGN_OR_RETURN(const std::string filter, AndFilter("", terms));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  Report report;
  report.time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", session.environment().clock->Now(),
                       absl::UTCTimeZone());
  ASSIGN_OR_RETURN(report.caller,
                   client->Call(&v1::Policy::Stub::WhoAmI, client->policy(),
                                v1::WhoAmIRequest()));
  RETURN_IF_ERROR(ReadHosts(*client, host, &report));
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ReadGuests(*client, filter, &report));
  for (const std::string& name : names) ReadSecurity(*client, name, &report);
  if (IsJson(session.format())) {
    RETURN_IF_ERROR(session.PrintJson(ToStruct(report)));
  } else if (session.format() == OutputFormat::kName) {
    for (const v1::GuestSecurity& guest : report.guests) {
      if (!guest.as_asked()) session.PrintLine(guest.guest());
    }
  } else {
    session.Print(ToText(report, session.format() == OutputFormat::kWide,
                         session.coloured()));
  }
  return Judge(report);
}

}  // namespace

void AddReportCommand(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<ReportOptions>();
  CLI::App* report =
      commands.Add(commands.root(), "report",
                   "Say of every guest whether it is confined as asked",
                   [=] { return RunReport(*session, *options); });
  report->footer(
      "Exit codes: 0 all as asked, 1 a guest differs or could not be read "
      "whole,\n3 a host does not answer and nothing differs elsewhere; else "
      "that of the first guest "
      "that could\nnot be looked at.");
  commands.Takes(
      NameKind::kHost,
      report->add_option("--host", options->host, "Only guests of this host")
          ->type_name("HOST"));
  report->add_option("--owner", options->owner, "Only guests of this owner")
      ->type_name("OWNER");
}

}  // namespace innkeeper
