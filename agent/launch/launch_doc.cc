#include "agent/launch/launch_doc.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_steps.h"

namespace innkeeper {
namespace {

constexpr absl::string_view kIntroduction =
    "# Steps of a launch\n"
    "\n"
    "Made from `agent/launch/launch_steps.h` by\n"
    "`bazel run //agent/launch:launch_doc_main > docs/launch.md`; a test holds "
    "the two\n"
    "together. What is in no row does not happen. If a step fails, what those "
    "before\n"
    "it made is undone, and the error names it.\n"
    "\n"
    "The launcher makes `init`, which is pid 1 of the guest's pid namespace; "
    "`init`\n"
    "forks `qemu` and becomes `keeper`. The two run side by side.\n";

absl::string_view NameOf(LaunchProcess process) {
  switch (process) {
    case LaunchProcess::kLauncher:
      return "launcher";
    case LaunchProcess::kInit:
      return "init";
    case LaunchProcess::kQemu:
      return "qemu";
    case LaunchProcess::kKeeper:
      return "keeper";
  }
  return "";
}

std::string TableOf(bool user_namespace) {
  std::string table =
      "| | who | step | does | because |\n|---|---|---|---|---|\n";
  int number = 0;
  for (const LaunchStepInfo& info : kLaunchSteps) {
    if (!IsTaken(info, user_namespace)) continue;
    absl::StrAppend(&table, "| ", ++number, " | ", NameOf(info.process), " | `",
                    info.name, "` | ", info.what, " | ", info.why, " |\n");
  }
  return table;
}

}  // namespace

std::string LaunchDoc() {
  return absl::StrCat(
      kIntroduction, "\n## In the host's user namespace\n\n", TableOf(false),
      "\n## In a user namespace of its own\n\n"
      "Once inside, a process can take no group and no uid but those that were "
      "mapped,\nand nothing of the host listens to its capabilities: all that "
      "needs them comes\nbefore.\n\n",
      TableOf(true));
}

}  // namespace innkeeper
