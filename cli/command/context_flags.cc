#include "cli/command/context_flags.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "google/protobuf/util/json_util.h"

namespace innkeeper {
namespace {

using Spec = v1::ContextSpec;

constexpr size_t kFileLimit = size_t{64} << 10;

// "KEY=VALUE"; nothing without '='.
bool Split(const std::string& text, std::string* key, std::string* value) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  *key = text.substr(0, equals);
  *value = text.substr(equals + 1);
  return true;
}

void SetIdentity(const std::string& text, Spec* spec) {
  Spec::Identity* const identity = spec->mutable_identity();
  identity->clear_name();
  if (text == "pool") {
    identity->set_kind(Spec::Identity::POOL);
  } else if (text == "owner") {
    identity->set_kind(Spec::Identity::OWNER);
  } else {
    identity->set_kind(Spec::Identity::NAMED);
    identity->set_name(text);
  }
}

// "LABEL" or "LABEL,unique".
void SetLabel(absl::string_view text, Spec::Label* label) {
  label->set_unique(absl::ConsumeSuffix(&text, ",unique"));
  label->set_value(std::string(text));
}

// KIND=new|host|NAME
bool SetNamespace(const std::string& text, Spec* spec) {
  std::string key;
  std::string value;
  Spec::Namespace::Kind kind;
  if (!Split(text, &key, &value) ||
      !Spec::Namespace::Kind_Parse(absl::AsciiStrToUpper(key), &kind) ||
      kind == Spec::Namespace::KIND_UNSPECIFIED) {
    return false;
  }
  Spec::Namespace* space = nullptr;
  for (Spec::Namespace& known : *spec->mutable_namespaces()) {
    if (known.kind() == kind) space = &known;
  }
  if (space == nullptr) space = spec->add_namespaces();
  space->Clear();
  space->set_kind(kind);
  if (value == "new") {
    space->set_mode(Spec::Namespace::NEW);
  } else if (value == "host") {
    space->set_mode(Spec::Namespace::HOST);
  } else {
    space->set_mode(Spec::Namespace::NAMED);
    space->set_name(value);
  }
  return true;
}

bool SetRlimit(const std::string& text, Spec* spec) {
  std::string key;
  std::string value;
  int64_t number = 0;
  if (!Split(text, &key, &value) || !absl::SimpleAtoi(value, &number)) {
    return false;
  }
  for (Spec::Rlimit& known : *spec->mutable_rlimits()) {
    if (known.resource() != key) continue;
    known.set_value(number);
    return true;
  }
  Spec::Rlimit* const limit = spec->add_rlimits();
  limit->set_resource(key);
  limit->set_value(number);
  return true;
}

CLI::Option* AddRepeated(CLI::App* app, const std::string& name,
                         std::vector<std::string>* values,
                         const std::string& description) {
  return app->add_option(name, *values, description)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Parts");
}

CLI::Option* AddOne(CLI::App* app, const std::string& name, std::string* value,
                    const std::string& description) {
  return app->add_option(name, *value, description)->group("Parts");
}

}  // namespace

void AddContextFlags(CLI::App* app, ContextFlags* flags) {
  AddOne(app, "--identity", &flags->identity,
         "pool, owner, or a name of the launcher's configuration")
      ->type_name("WHO");
  AddRepeated(app, "--group", &flags->groups, "A further group, repeatable")
      ->type_name("NAME");
  AddOne(app, "--selinux", &flags->selinux, "An SELinux context")
      ->type_name("LABEL[,unique]");
  AddOne(app, "--apparmor", &flags->apparmor, "An AppArmor profile")
      ->type_name("PROFILE[,unique]");
  AddRepeated(app, "--namespace", &flags->namespaces,
              "Such as network=blue or uts=host, repeatable")
      ->type_name("KIND=new|host|NAME");
  AddOne(app, "--root", &flags->root, "A root of the launcher's configuration")
      ->type_name("NAME");
  AddRepeated(app, "--capability", &flags->capabilities,
              "Such as net_admin, repeatable")
      ->type_name("NAME");
  AddRepeated(app, "--allow-seccomp", &flags->seccomp,
              "What QEMU's filter lets pass besides, repeatable")
      ->check(CLI::IsMember(
          {"obsolete", "elevate_privileges", "spawn", "resource_control"}))
      ->type_name("CLASS");
  AddOne(app, "--landlock", &flags->landlock, "Whether Landlock is used")
      ->check(CLI::IsMember({"if_available", "required", "off"}))
      ->type_name("USE");
  AddOne(app, "--slice", &flags->slice, "A group beneath that of all guests")
      ->type_name("NAME");
  app->add_option("--cpu-millis", flags->cpu_millis,
                  "Thousandths of a processor")
      ->type_name("N")
      ->group("Parts");
  app->add_option("--pids", flags->pids, "Processes and threads")
      ->type_name("N")
      ->group("Parts");
  AddRepeated(app, "--rlimit", &flags->rlimits,
              "Such as nofile=512, repeatable")
      ->type_name("RESOURCE=N");
  app->add_option("--nice", flags->nice, "-20 to 19")
      ->type_name("N")
      ->group("Parts");
  AddOne(app, "--affinity", &flags->affinity, "Processors, such as 0-3,6")
      ->type_name("LIST");
  app->add_option("--oom-score", flags->oom_score, "0 to 1000")
      ->type_name("N")
      ->group("Parts");
  AddRepeated(app, "--env", &flags->environment, "A variable, repeatable")
      ->type_name("NAME=VALUE");
}

absl::Status ApplyContextFlags(const ContextFlags& flags, Spec* spec) {
  Error error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
              "options cannot be read");
  bool faults = false;
  const auto fault = [&](absl::string_view option, const std::string& text,
                         absl::string_view form) {
    error.Field(option, absl::StrCat("'", text, "' is not ", form));
    faults = true;
  };
  if (!flags.identity.empty()) SetIdentity(flags.identity, spec);
  for (const std::string& group : flags.groups) spec->add_groups(group);
  if (!flags.selinux.empty()) {
    SetLabel(flags.selinux, spec->mutable_selinux());
  }
  if (!flags.apparmor.empty()) {
    SetLabel(flags.apparmor, spec->mutable_apparmor());
  }
  for (const std::string& text : flags.namespaces) {
    if (!SetNamespace(text, spec)) {
      fault("--namespace", text,
            "KIND=new, KIND=host or network=NAME, with a kind of network, "
            "mount, pid, user, ipc, uts, cgroup, time");
    }
  }
  if (!flags.root.empty()) spec->set_root(flags.root);
  for (const std::string& name : flags.capabilities) {
    spec->add_capabilities(name);
  }
  for (const std::string& name : flags.seccomp) {
    Spec::SeccompClass one;
    if (Spec::SeccompClass_Parse(absl::AsciiStrToUpper(name), &one)) {
      spec->add_allowed_seccomp_classes(one);
    }
  }
  Spec::Landlock landlock;
  if (Spec::Landlock_Parse(absl::AsciiStrToUpper(flags.landlock), &landlock)) {
    spec->set_landlock(landlock);
  }
  if (!flags.slice.empty()) spec->mutable_cgroup()->set_slice(flags.slice);
  if (flags.cpu_millis != 0) {
    spec->mutable_cgroup()->set_cpu_millis(flags.cpu_millis);
  }
  if (flags.pids != 0) spec->mutable_cgroup()->set_pid_count(flags.pids);
  for (const std::string& text : flags.rlimits) {
    if (!SetRlimit(text, spec)) fault("--rlimit", text, "RESOURCE=N");
  }
  if (flags.nice.has_value()) spec->set_nice(*flags.nice);
  if (!flags.affinity.empty()) spec->set_cpu_affinity(flags.affinity);
  if (flags.oom_score.has_value()) spec->set_oom_score_adj(*flags.oom_score);
  for (const std::string& text : flags.environment) {
    std::string name;
    std::string value;
    if (Split(text, &name, &value)) {
      (*spec->mutable_environment())[name] = value;
    } else {
      fault("--env", text, "NAME=VALUE");
    }
  }
  return faults ? error.Build() : absl::OkStatus();
}

absl::Status ReadJsonFile(const std::string& path, int input,
                          google::protobuf::Message* message) {
  ASSIGN_OR_RETURN(const std::string json, path == "-"
                                               ? ReadAll(input, kFileLimit)
                                               : ReadFile(path, kFileLimit));
  const auto status =
      google::protobuf::util::JsonStringToMessage(json, message);
  if (status.ok()) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               absl::StrCat(path, " cannot be read as ",
                            message->GetDescriptor()->name(),
                            " in JSON: ", status.ToString()))
      .With("path", path);
}

}  // namespace innkeeper
