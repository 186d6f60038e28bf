#include "cli/command/host_command.h"

#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/name_kind.h"
#include "cli/command/print_list.h"
#include "cli/name.h"
#include "cli/output/format.h"
#include "cli/output/host_view.h"
#include "cli/output/table.h"
#include "cli/output/time_text.h"
#include "cli/session.h"
#include "cli/value.h"
#include "google/protobuf/empty.pb.h"
#include "innkeeper/v1/hosts.pb.h"

namespace innkeeper {
namespace {

using Stub = v1::Hosts::Stub;

struct HostOptions {
  std::string name;
  std::string filter;
  std::string sort_by;
  std::string valid_for;
  bool force = false;
};

absl::Status RunList(Session& session, const HostOptions& options) {
  v1::ListHostsRequest request;
  request.set_filter(options.filter);
  request.set_order_by(options.sort_by);
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  v1::ListHostsResponse all;
  RETURN_IF_ERROR(
      client->CallForPages(&Stub::ListHosts, client->hosts(), request,
                           [&](v1::ListHostsResponse& page) {
                             all.mutable_hosts()->MergeFrom(page.hosts());
                           }));
  const bool wide = session.format() == OutputFormat::kWide;
  const absl::Time now = session.environment().clock->Now();
  return PrintList(
      session, all, all.hosts(), HostTable(wide, session.coloured()),
      [&](const v1::Host& host) { return HostRow(host, wide, now); });
}

absl::Status RunShow(Session& session, const HostOptions& options) {
  v1::GetHostRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName("hosts", options.name));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(const v1::Host host,
                   client->Call(&Stub::GetHost, client->hosts(), request));
  if (IsJson(session.format())) return session.PrintJson(host);
  if (session.format() == OutputFormat::kName) {
    session.PrintLine(host.name());
  } else {
    session.Print(HostDetails(host, session.environment().clock->Now(),
                              session.coloured()));
  }
  return absl::OkStatus();
}

template <typename Request>
absl::Status RunCordon(Session& session, const HostOptions& options,
                       grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                    const Request&,
                                                    v1::Host*)) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName("hosts", options.name));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(const v1::Host host,
                   client->Call(method, client->hosts(), request));
  if (IsJson(session.format())) return session.PrintJson(host);
  session.Say(absl::StrCat(host.name(), host.cordoned() ? " takes no new guests"
                                                        : " takes new guests"));
  return absl::OkStatus();
}

absl::Status RunRemove(Session& session, const HostOptions& options) {
  v1::RemoveHostRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName("hosts", options.name));
  request.set_force(options.force);
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(const google::protobuf::Empty empty,
                   client->Call(&Stub::RemoveHost, client->hosts(), request));
  if (IsJson(session.format())) return session.PrintJson(empty);
  session.Say(absl::StrCat(request.name(), " is removed; its guests run on"));
  return absl::OkStatus();
}

absl::Status RunToken(Session& session, const HostOptions& options) {
  v1::CreateEnrolmentTokenRequest request;
  request.set_host_id(std::string(ShortName(options.name)));
  if (!options.valid_for.empty()) {
    ASSIGN_OR_RETURN(const absl::Duration span, ParseSpan(options.valid_for));
    request.mutable_valid_for()->set_seconds(absl::ToInt64Seconds(span));
  }
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(
      const v1::CreateEnrolmentTokenResponse response,
      client->Call(&Stub::CreateEnrolmentToken, client->hosts(), request));
  if (IsJson(session.format())) return session.PrintJson(response);
  // Alone on standard output, so that it can go straight into a file.
  session.PrintLine(response.token());
  session.Progress(absl::StrCat("good for one enrolment of ", request.host_id(),
                                " until ", TimeText(response.expire_time())));
  return absl::OkStatus();
}

CLI::App* AddNamed(CommandSet& commands, CLI::App* app, HostOptions* options) {
  commands
      .Takes(NameKind::kHost,
             app->add_option("HOST", options->name, "The host"))
      ->required();
  return app;
}

}  // namespace

void AddHostCommands(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<HostOptions>();
  HostOptions* flags = options.get();
  CLI::App* group = commands.AddGroup("host", "Hosts that guests run on");

  CLI::App* list = commands.Add(group, "list", "List hosts",
                                [=] { return RunList(*session, *options); });
  list->alias("ls");
  list->add_option("--filter", flags->filter, "Such as: state = UP")
      ->type_name("FILTER");
  list->add_option("--sort-by", flags->sort_by, "Such as: name desc")
      ->type_name("FIELDS");

  AddNamed(commands,
           commands.Add(group, "show", "Show everything about a host",
                        [=] { return RunShow(*session, *options); }),
           flags);
  AddNamed(
      commands,
      commands.Add(
          group, "cordon", "Keep new guests away from a host",
          [=] { return RunCordon(*session, *options, &Stub::CordonHost); }),
      flags);
  AddNamed(
      commands,
      commands.Add(
          group, "uncordon", "Let new guests come again",
          [=] { return RunCordon(*session, *options, &Stub::UncordonHost); }),
      flags);

  CLI::App* remove =
      AddNamed(commands,
               commands.Add(group, "remove", "Forget a host for good",
                            [=] { return RunRemove(*session, *options); }),
               flags);
  remove->add_flag("-f,--force", flags->force,
                   "Although guests of the cluster are on it");

  CLI::App* token = AddNamed(
      commands,
      commands.Add(group, "token", "Make a token that brings a host in, once",
                   [=] { return RunToken(*session, *options); }),
      flags);
  token
      ->add_option("--valid-for", flags->valid_for,
                   "How long it can be used (default 1h)")
      ->type_name("SPAN");
}

}  // namespace innkeeper
