#include "cli/command/policy_command.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "cli/api_client.h"
#include "cli/command/command_set.h"
#include "cli/output/fields.h"
#include "cli/output/format.h"
#include "cli/output/time_text.h"
#include "cli/session.h"
#include "innkeeper/v1/policy.pb.h"

namespace innkeeper {
namespace {

absl::Status RunWhoAmI(Session& session) {
  ASSIGN_OR_RETURN(ApiClient * client, session.Client());
  ASSIGN_OR_RETURN(const v1::WhoAmIResponse response,
                   client->Call(&v1::Policy::Stub::WhoAmI, client->policy(),
                                v1::WhoAmIRequest()));
  if (IsJson(session.format())) return session.PrintJson(response);
  if (session.format() == OutputFormat::kName) {
    session.PrintLine(response.principal());
    return absl::OkStatus();
  }
  Fields fields(session.coloured());
  fields.Add("Principal", response.principal());
  for (const auto& binding : response.bindings()) {
    fields.Add("Role", absl::StrCat(binding.role(), " on ", binding.scope()));
  }
  fields.Add("Permissions", absl::StrJoin(response.permissions(), " "));
  fields.Add("From", response.address());
  if (response.has_expire_time()) {
    fields.Add("Certificate until", TimeText(response.expire_time()));
  }
  fields.Add("Answered by", response.answered_by());
  fields.Add("Version", response.version());
  session.Print(fields.Render());
  return absl::OkStatus();
}

}  // namespace

void AddPolicyCommand(CommandSet& commands) {
  Session* session = &commands.session();
  commands.Add(commands.root(), "whoami",
               "Say who you are there, and what you may do",
               [=] { return RunWhoAmI(*session); });
}

}  // namespace innkeeper
