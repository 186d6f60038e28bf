#include "cli/command/version_command.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/command/command_set.h"
#include "cli/output/format.h"
#include "cli/session.h"
#include "cli/version.h"

namespace innkeeper {
namespace {

// Asks nobody, so that it works without a service; `inn whoami` tells the
// service's.
absl::Status RunVersion(Session& session) {
  session.Print(IsJson(session.format())
                    ? absl::StrCat("{\"version\":\"", kCliVersion, "\"}\n")
                    : absl::StrCat("inn ", kCliVersion, "\n"));
  return absl::OkStatus();
}

}  // namespace

void AddVersionCommand(CommandSet& commands) {
  Session* session = &commands.session();
  commands.Add(commands.root(), "version", "Say which version this is",
               [=] { return RunVersion(*session); });
}

}  // namespace innkeeper
