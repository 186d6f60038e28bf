#include "cli/command/remote_command.h"

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/command/name_kind.h"
#include "cli/output/format.h"
#include "cli/output/table.h"
#include "cli/remotes.h"
#include "cli/session.h"
#include "innkeeper/v1/policy.pb.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

struct RemoteOptions {
  std::string name;
  Remote remote;
  bool replace = false;
  bool use = false;
};

struct RemotesFile {
  std::string path;
  Remotes remotes;
};

absl::StatusOr<RemotesFile> Load(Session& session) {
  RemotesFile file;
  ASSIGN_OR_RETURN(file.path, RemotesPath(session.environment().variable));
  ASSIGN_OR_RETURN(file.remotes, LoadRemotes(file.path));
  return file;
}

absl::Status Unknown(absl::string_view name) {
  return Error(
      absl::StatusCode::kNotFound, reason::kConfigInvalid,
      absl::StrCat("remote '", name, "' is not known; try: inn remote list"));
}

// Certificates are found wherever `inn` is run from later.
std::string Absolute(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

absl::Status RunAdd(Session& session, const RemoteOptions& options) {
  RETURN_IF_ERROR(CheckRemoteName(options.name));
  ASSIGN_OR_RETURN(RemotesFile file, Load(session));
  if (file.remotes.remotes.count(options.name) != 0 && !options.replace) {
    return Error(absl::StatusCode::kAlreadyExists, reason::kConfigInvalid,
                 absl::StrCat("remote '", options.name,
                              "' is there already; try: --replace"));
  }
  Remote remote = options.remote;
  remote.cert = Absolute(remote.cert);
  remote.key = Absolute(remote.key);
  remote.ca = Absolute(remote.ca);
  file.remotes.remotes[options.name] = remote;
  if (options.use || file.remotes.current.empty()) {
    file.remotes.current = options.name;
  }
  RETURN_IF_ERROR(SaveRemotes(file.path, file.remotes));
  session.Say(absl::StrCat(
      "remote '", options.name, "' is ", remote.address,
      file.remotes.current == options.name ? ", and the one in use" : ""));
  return absl::OkStatus();
}

absl::Status RunUse(Session& session, const RemoteOptions& options) {
  ASSIGN_OR_RETURN(RemotesFile file, Load(session));
  if (file.remotes.remotes.count(options.name) == 0) {
    return Unknown(options.name);
  }
  file.remotes.current = options.name;
  RETURN_IF_ERROR(SaveRemotes(file.path, file.remotes));
  session.Say(absl::StrCat("remote '", options.name, "' is in use"));
  return absl::OkStatus();
}

absl::Status RunRemove(Session& session, const RemoteOptions& options) {
  ASSIGN_OR_RETURN(RemotesFile file, Load(session));
  if (file.remotes.remotes.erase(options.name) == 0) {
    return Unknown(options.name);
  }
  if (file.remotes.current == options.name) file.remotes.current.clear();
  RETURN_IF_ERROR(SaveRemotes(file.path, file.remotes));
  session.Say(absl::StrCat("remote '", options.name, "' is removed"));
  return absl::OkStatus();
}

nlohmann::json ToJson(const std::string& name, const Remote& remote,
                      bool current) {
  return {{"name", name},        {"address", remote.address},
          {"cert", remote.cert}, {"key", remote.key},
          {"ca", remote.ca},     {"serverName", remote.server_name},
          {"current", current}};
}

std::string Dump(const nlohmann::json& json, bool indented) {
  return json.dump(indented ? 2 : -1, ' ', false,
                   nlohmann::json::error_handler_t::replace) +
         "\n";
}

absl::Status RunList(Session& session) {
  ASSIGN_OR_RETURN(const RemotesFile file, Load(session));
  Table table({"NAME", "ADDRESS", "SERVER", "CERTIFICATE", "IN USE"},
              session.coloured());
  nlohmann::json all = nlohmann::json::array();
  for (const auto& [name, remote] : file.remotes.remotes) {
    const bool current = name == file.remotes.current;
    table.Add({name, remote.address, remote.server_name, remote.cert,
               current ? "yes" : ""});
    all.push_back(ToJson(name, remote, current));
    if (session.format() == OutputFormat::kName) session.PrintLine(name);
    if (session.format() == OutputFormat::kJsonl) {
      session.Print(Dump(all.back(), false));
    }
  }
  if (session.format() == OutputFormat::kJson) {
    session.Print(Dump({{"remotes", all}}, true));
  } else if (session.format() == OutputFormat::kTable ||
             session.format() == OutputFormat::kWide) {
    session.Print(table.Render());
  }
  return absl::OkStatus();
}

absl::Status RunTest(Session& session, const RemoteOptions& options) {
  if (!options.name.empty()) session.options().remote = options.name;
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  const absl::Time start = absl::Now();
  ASSIGN_OR_RETURN(const v1::WhoAmIResponse response,
                   client->Call(&v1::Policy::Stub::WhoAmI, client->policy(),
                                v1::WhoAmIRequest()));
  if (IsJson(session.format())) return session.PrintJson(response);
  session.PrintLine(absl::StrCat(
      response.answered_by(), " answers ", response.principal(), " within ",
      absl::ToInt64Milliseconds(absl::Now() - start), " ms"));
  return absl::OkStatus();
}

}  // namespace

void AddRemoteCommands(CommandSet& commands) {
  Session* session = &commands.session();
  auto options = std::make_shared<RemoteOptions>();
  RemoteOptions* flags = options.get();
  CLI::App* group =
      commands.AddGroup("remote", "Agents and servers to talk to");

  CLI::App* add = commands.Add(group, "add", "Note an agent or server",
                               [=] { return RunAdd(*session, *options); });
  add->add_option("NAME", flags->name, "What to call it")->required();
  add->add_option("ADDRESS", flags->remote.address,
                  "host:port, or unix:PATH for a socket on this machine")
      ->required();
  add->add_option("--cert", flags->remote.cert, "Your certificate (PEM)")
      ->type_name("FILE");
  add->add_option("--key", flags->remote.key, "Its key (PEM)")
      ->type_name("FILE");
  add->add_option("--ca", flags->remote.ca, "Roots to trust (PEM)")
      ->type_name("FILE");
  add->add_option("--server-name", flags->remote.server_name,
                  "Who has to answer, such as server/lab or host/h1")
      ->type_name("PRINCIPAL");
  add->add_flag("--replace", flags->replace, "In place of one of that name");
  add->add_flag("--use", flags->use, "Use it from now on");

  CLI::App* list = commands.Add(group, "list", "List what is known",
                                [=] { return RunList(*session); });
  list->alias("ls");
  CLI::App* use =
      commands.Add(group, "use", "Talk to it where nothing else is said",
                   [=] { return RunUse(*session, *options); });
  commands
      .Takes(NameKind::kRemote, use->add_option("NAME", flags->name, "Which"))
      ->required();
  CLI::App* remove = commands.Add(group, "remove", "Forget it", [=] {
    return RunRemove(*session, *options);
  });
  commands
      .Takes(NameKind::kRemote,
             remove->add_option("NAME", flags->name, "Which"))
      ->required();
  CLI::App* test = commands.Add(group, "test", "Ask it who you are",
                                [=] { return RunTest(*session, *options); });
  commands.Takes(NameKind::kRemote,
                 test->add_option("NAME", flags->name,
                                  "Which; the one in use if not given"));
}

}  // namespace innkeeper
