// innkeeper-launcher: the only part of Innkeeper that runs as root. It starts
// the agent without privilege and does for it what needs root: nothing but the
// requests of protocol.h.
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "agent/launch/launch_plan.h"
#include "agent/launcher/config.h"
#include "agent/launcher/context_config.h"
#include "agent/launcher/guest_launcher.h"
#include "agent/launcher/launcher_server.h"
#include "agent/launcher/network_config.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/flag_arguments.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"

ABSL_FLAG(std::string, instance, "",
          "Name of this instance; two on one host need two names and two "
          "ranges of uids.");
ABSL_FLAG(std::string, agent, "/usr/bin/innkeeper-agent",
          "The agent's binary. Its own arguments follow after --.");
ABSL_FLAG(std::string, agent_user, "",
          "User that the agent runs as: a name, or UID:GID. Never root.");
ABSL_FLAG(std::string, run_dir, "",
          "Directory for guests' sockets and logs "
          "(default /run/innkeeper/INSTANCE).");
ABSL_FLAG(std::string, state_dir, "",
          "Directory for the journal and overlays "
          "(default /var/lib/innkeeper/INSTANCE).");
ABSL_FLAG(std::vector<std::string>, pool, {},
          "NAME=DIRECTORY: a directory whose images guests may have. May be "
          "given several times.");
ABSL_FLAG(std::vector<std::string>, block_pool, {},
          "NAME=vg:GROUP or NAME=FILE: block devices that guests may have: the "
          "logical volumes of an LVM volume group, or those that FILE lists. "
          "May be given several times.");
ABSL_FLAG(std::string, dev_dir, "",
          "Where the nodes of block devices are (default /dev).");
ABSL_FLAG(std::vector<std::string>, qemu, {},
          "A QEMU that guests may run; may be given several times (default "
          "/usr/bin/qemu-system-x86_64).");
ABSL_FLAG(std::string, keeper, "/usr/libexec/innkeeper/innkeeper-keeper",
          "The keeper's binary.");
ABSL_FLAG(std::vector<std::string>, network, {},
          "NAME=BRIDGE[:isolated][:declared][:create][:mtu=N][:netns=NAME]: a "
          "network that guests may be on. isolated: they do not reach each "
          "other; declared: only guests that say which addresses they have; "
          "create: make the bridge where there is none; netns: it is in this "
          "namespace of /run/netns. May be given several times.");
ABSL_FLAG(std::string, nft, "/usr/sbin/nft",
          "nft(8), which puts in place what guests may send. Only used where "
          "there is a network.");
ABSL_FLAG(uint32_t, uid_base, 1880000000,
          "First uid of the guests' range; every guest takes two.");
ABSL_FLAG(uint32_t, uid_count, 65536, "Size of the range.");
ABSL_FLAG(int, max_guests, 512, "How many guests there may be at a time.");
ABSL_FLAG(
    int64_t, max_file_bytes, innkeeper::kMaxImageBytes,
    "How large a file that a guest writes may get, in bytes. A guest with "
    "a disk that could get larger is not launched.");
ABSL_FLAG(std::string, cgroup_parent, "",
          "Control group of the guests, relative to each hierarchy (default "
          "innkeeper-INSTANCE).");
ABSL_FLAG(std::vector<std::string>, identity, {},
          "NAME=UID:GID[:GROUP...]: an identity that contexts may name. May be "
          "given several times, as the next four.");
ABSL_FLAG(std::vector<std::string>, owner_identity, {},
          "user/NAME=UID:GID[:GROUP...]: the identity of that owner's guests "
          "where a context asks for the owner's.");
ABSL_FLAG(std::vector<std::string>, context_group, {},
          "NAME=GID: a supplementary group that contexts may name.");
ABSL_FLAG(std::vector<std::string>, root, {},
          "NAME=DIRECTORY: a root that contexts may name instead of the usual "
          "one; it holds QEMU, what that needs, /proc and /dev.");
ABSL_FLAG(std::vector<std::string>, allow_capability, {},
          "A capability that contexts may let a guest keep: net_admin.");
ABSL_FLAG(int32_t, least_nice, 0, "The lowest nice that contexts may name.");
ABSL_FLAG(std::string, uefi_firmware,
          "/usr/share/OVMF/OVMF_CODE_4M.fd,/usr/share/OVMF/OVMF_VARS_4M.fd",
          "CODE,VARIABLES: the firmware of guests with UEFI. Without these "
          "files there are none.");
ABSL_FLAG(std::string, secure_boot_firmware,
          "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd,"
          "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
          "The same for guests with secure boot: the variables hold the keys.");
ABSL_FLAG(bool, check, false, "Check the flags and exit.");
ABSL_FLAG(bool, list_failpoints, false,
          "Print the failpoints of this build and exit.");

namespace innkeeper {
namespace {

// Abseil keeps only the last of several equal flags: those that may come
// several times are joined into one, by the comma that separates their values.
class Arguments {
 public:
  Arguments(int argc, char** argv) {
    std::map<std::string, std::string> joined = {{"--allow_capability=", ""},
                                                 {"--block-pool=", ""},
                                                 {"--context_group=", ""},
                                                 {"--identity=", ""},
                                                 {"--network=", ""},
                                                 {"--owner_identity=", ""},
                                                 {"--pool=", ""},
                                                 {"--qemu=", ""},
                                                 {"--root=", ""}};
    bool own = true;
    const std::vector<std::string> given =
        SpellFlags(std::vector<std::string>(argv, argv + argc));
    for (size_t i = 0; i < given.size(); ++i) {
      std::string argument = given[i];
      own = own && argument != "--";
      std::string* list = nullptr;
      for (auto& [flag, values] : joined) {
        const std::string bare = flag.substr(0, flag.size() - 1);
        if (own && argument == bare && i + 1 < given.size()) {
          argument = absl::StrCat(flag, given[++i]);
        }
        if (own && absl::StartsWith(argument, flag)) {
          list = &values;
          argument.erase(0, flag.size());
        }
      }
      if (list == nullptr) {
        texts_.push_back(argument);
      } else {
        absl::StrAppend(list, list->empty() ? "" : ",", argument);
      }
    }
    for (const auto& [flag, values] : joined) {
      if (values.empty()) continue;
      texts_.insert(texts_.begin() + 1, absl::StrCat(flag, values));
    }
    for (std::string& text : texts_) pointers_.push_back(text.data());
  }

  int count() const { return static_cast<int>(pointers_.size()); }
  char** values() { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

// "NAME=TEXT" each.
absl::Status AddPools(absl::string_view flag,
                      const std::vector<std::string>& given,
                      std::map<std::string, std::string>& pools) {
  for (const std::string& pool : given) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(pool, absl::MaxSplits('=', 1));
    if (pools.insert(parts).second) continue;
    return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                 absl::StrCat(flag, ": '", parts.first, "' is given twice"));
  }
  return absl::OkStatus();
}

absl::StatusOr<LauncherConfig> ReadFlags(std::vector<char*> rest) {
  LauncherConfig config;
  config.instance = absl::GetFlag(FLAGS_instance);
  config.agent = absl::GetFlag(FLAGS_agent);
  config.agent_args.assign(rest.begin() + 1, rest.end());
  config.agent_user = absl::GetFlag(FLAGS_agent_user);
  ASSIGN_OR_RETURN(config.agent_credentials, ResolveUser(config.agent_user));
  config.run_dir = absl::GetFlag(FLAGS_run_dir);
  config.state_dir = absl::GetFlag(FLAGS_state_dir);
  RETURN_IF_ERROR(AddPools("--pool", absl::GetFlag(FLAGS_pool), config.pools));
  RETURN_IF_ERROR(AddPools("--block-pool", absl::GetFlag(FLAGS_block_pool),
                           config.block_pools));
  config.dev_dir = absl::GetFlag(FLAGS_dev_dir);
  config.qemus = absl::GetFlag(FLAGS_qemu);
  if (config.qemus.empty()) config.qemus = {"/usr/bin/qemu-system-x86_64"};
  config.keeper = absl::GetFlag(FLAGS_keeper);
  config.nft = absl::GetFlag(FLAGS_nft);
  for (const std::string& text : absl::GetFlag(FLAGS_network)) {
    ASSIGN_OR_RETURN(NetworkConfig network, ParseNetwork(text));
    const std::string name = network.name;
    if (!config.networks.emplace(name, std::move(network)).second) {
      return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
                   absl::StrCat("--network: '", name, "' is given twice"));
    }
  }
  config.uid_base = absl::GetFlag(FLAGS_uid_base);
  config.uid_count = absl::GetFlag(FLAGS_uid_count);
  config.max_guests = absl::GetFlag(FLAGS_max_guests);
  config.max_file_bytes = absl::GetFlag(FLAGS_max_file_bytes);
  config.cgroup_parent = absl::GetFlag(FLAGS_cgroup_parent);
  ContextFlags context;
  context.identities = absl::GetFlag(FLAGS_identity);
  context.owner_identities = absl::GetFlag(FLAGS_owner_identity);
  context.groups = absl::GetFlag(FLAGS_context_group);
  context.roots = absl::GetFlag(FLAGS_root);
  context.capabilities = absl::GetFlag(FLAGS_allow_capability);
  context.least_nice = absl::GetFlag(FLAGS_least_nice);
  ASSIGN_OR_RETURN(config.context, ParseContextFlags(context));
  ASSIGN_OR_RETURN(config.uefi,
                   ParseFirmware(absl::GetFlag(FLAGS_uefi_firmware)));
  ASSIGN_OR_RETURN(config.secure_boot,
                   ParseFirmware(absl::GetFlag(FLAGS_secure_boot_firmware)));
  SetDefaults(config);
  RETURN_IF_ERROR(CheckConfig(config));
  return config;
}

int Fail(const absl::Status& status) {
  fprintf(stderr, "innkeeper-launcher: %s\n",
          std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  Arguments arguments(argc, argv);
  absl::SetProgramUsageMessage(
      "starts guests for an unprivileged agent.\n"
      "innkeeper-launcher --instance=NAME --agent-user=USER [FLAGS] "
      "[-- AGENT'S ARGUMENTS]");
  const std::vector<char*> rest =
      absl::ParseCommandLine(arguments.count(), arguments.values());
  if (absl::GetFlag(FLAGS_list_failpoints)) {
    for (const absl::string_view name : ListFailpoints()) {
      printf("%s\n", std::string(name).c_str());
    }
    return 0;
  }
  const absl::StatusOr<LauncherConfig> config = ReadFlags(rest);
  if (!config.ok()) return Fail(config.status());
  if (absl::GetFlag(FLAGS_check)) {
    printf("innkeeper-launcher: the flags are in order\n");
    return 0;
  }
  if (geteuid() != 0) {
    fprintf(stderr,
            "innkeeper-launcher: must be started by root: it gives each guest "
            "a uid and namespaces of its own\n");
    return 1;
  }
  umask(022);
  signal(SIGPIPE, SIG_IGN);
  if (chdir("/") != 0) return Fail(ErrnoError(errno, "chdir /"));
  const absl::StatusOr<std::unique_ptr<GuestLauncher>> guests =
      GuestLauncher::Create(*config);
  if (!guests.ok()) return Fail(guests.status());
  LogInfo("launcher.started", {{"instance", config->instance}});
  const absl::Status served = LauncherServer(*config, **guests).Run();
  if (!served.ok()) return Fail(served);
  (*guests)->Leave();
  LogInfo("launcher.stopped", {{"instance", config->instance}});
  return 0;
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) { return innkeeper::Main(argc, argv); }
