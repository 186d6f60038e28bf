#include "cli/command/context_command.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/context_flags.h"
#include "cli/command/name_kind.h"
#include "cli/command/print_list.h"
#include "cli/name.h"
#include "cli/output/context_view.h"
#include "cli/output/format.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "google/protobuf/empty.pb.h"
#include "innkeeper/v1/contexts.pb.h"

namespace innkeeper {
namespace {

using Stub = v1::Contexts::Stub;

struct ContextOptions {
  std::string name;
  std::string host;
  std::string file;
  std::string description;
  std::vector<std::string> users;
  std::string etag;
  ContextFlags parts;
};

absl::Status PrintContext(Session& session, const v1::Context& context) {
  if (IsJson(session.format())) return session.PrintJson(context);
  if (session.format() == OutputFormat::kName) {
    session.PrintLine(context.name());
  } else {
    session.Print(ContextDetails(context, session.coloured()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> HostOf(const ContextOptions& options) {
  if (options.host.empty()) return std::string();
  return FullName("hosts", options.host);
}

absl::Status RunCreate(Session& session, const ContextOptions& options) {
  v1::CreateContextRequest request;
  request.set_context_id(std::string(ShortName(options.name)));
  ASSIGN_OR_RETURN(*request.mutable_host(), HostOf(options));
  v1::Context* const context = request.mutable_context();
  if (!options.file.empty()) {
    RETURN_IF_ERROR(
        ReadJsonFile(options.file, session.environment().input, context));
  }
  if (!options.description.empty()) {
    context->set_description(options.description);
  }
  for (const std::string& user : options.users) {
    context->add_users(
        absl::StrContains(user, '/') ? user : absl::StrCat("user/", user));
  }
  RETURN_IF_ERROR(ApplyContextFlags(options.parts, context->mutable_spec()));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(
      const v1::Context made,
      client->Call(&Stub::CreateContext, client->contexts(), request));
  return PrintContext(session, made);
}

absl::Status RunShow(Session& session, const ContextOptions& options) {
  v1::GetContextRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName("contexts", options.name));
  ASSIGN_OR_RETURN(*request.mutable_host(), HostOf(options));
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(
      const v1::Context context,
      client->Call(&Stub::GetContext, client->contexts(), request));
  return PrintContext(session, context);
}

absl::Status RunList(Session& session) {
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  v1::ListContextsResponse all;
  std::set<std::string> unreachable;
  RETURN_IF_ERROR(client->CallForPages(
      &Stub::ListContexts, client->contexts(), v1::ListContextsRequest(),
      [&](v1::ListContextsResponse& page) {
        all.mutable_contexts()->MergeFrom(page.contexts());
        unreachable.insert(page.unreachable().begin(),
                           page.unreachable().end());
      }));
  for (const std::string& host : unreachable) all.add_unreachable(host);
  if (!unreachable.empty()) {
    session.Warn(absl::StrCat("unreachable, contexts unknown: ",
                              absl::StrJoin(unreachable, ", ")));
  }
  const bool wide = session.format() == OutputFormat::kWide;
  const absl::Time now = session.environment().clock->Now();
  return PrintList(
      session, all, all.contexts(), ContextTable(wide, session.coloured()),
      [&](const v1::Context& one) { return ContextRow(one, wide, now); });
}

absl::Status RunDelete(Session& session, const ContextOptions& options) {
  v1::DeleteContextRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName("contexts", options.name));
  ASSIGN_OR_RETURN(*request.mutable_host(), HostOf(options));
  request.set_etag(options.etag);
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(
      const google::protobuf::Empty empty,
      client->Call(&Stub::DeleteContext, client->contexts(), request));
  if (IsJson(session.format())) return session.PrintJson(empty);
  session.Say(absl::StrCat(request.name(),
                           " is deleted; its guests keep what they have"));
  return absl::OkStatus();
}

CLI::App* AddHost(CommandSet& commands, CLI::App* app, ContextOptions* options,
                  const std::string& description) {
  commands
      .Takes(NameKind::kHost,
             app->add_option("--host", options->host, description))
      ->type_name("HOST");
  return app;
}

CLI::App* AddNamed(CommandSet& commands, CLI::App* app,
                   ContextOptions* options) {
  commands
      .Takes(NameKind::kContext,
             app->add_option("CONTEXT", options->name, "The context"))
      ->required();
  return app;
}

void AddCreate(CommandSet& commands, CLI::App* group) {
  Session* session = &commands.session();
  auto options = std::make_shared<ContextOptions>();
  CLI::App* create = commands.Add(group, "create", "Define a context", [=] {
    return RunCreate(*session, *options);
  });
  create->add_option("NAME", options->name, "What to call it")->required();
  AddHost(commands, create, options.get(), "Where; every host if not given");
  create
      ->add_option("--file", options->file,
                   "A context in JSON, as `show -o json` prints it; - is "
                   "standard input")
      ->type_name("FILE");
  create
      ->add_option("--user", options->users,
                   "Who may launch in it: alice, user/*, service/ci; "
                   "repeatable")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("WHO");
  create->add_option("--description", options->description, "What it is for")
      ->type_name("TEXT");
  AddContextFlags(create, &options->parts);
}

}  // namespace

void AddContextCommands(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<ContextOptions>();
  CLI::App* group = commands.AddGroup("context", "What guests run in, by name");
  AddCreate(commands, group);
  AddHost(commands,
          AddNamed(commands,
                   commands.Add(group, "show", "Show everything about one",
                                [=] { return RunShow(*session, *options); }),
                   options.get()),
          options.get(), "Where; needed if several hosts have it");
  commands
      .Add(group, "list", "List those that you may use",
           [=] { return RunList(*session); })
      ->alias("ls");
  CLI::App* remove = AddHost(
      commands,
      AddNamed(commands,
               commands.Add(group, "delete",
                            "Forget one; its guests keep what they have",
                            [=] { return RunDelete(*session, *options); }),
               options.get()),
      options.get(), "Where; every host that has it if not given");
  remove
      ->add_option("--etag", options->etag,
                   "Only if this is still its etag; with --host at a server")
      ->type_name("ETAG");
}

}  // namespace innkeeper
