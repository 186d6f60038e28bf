#include "agent/config/agent_config.h"

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/config/agent_config.pb.h"
#include "agent/config/plugin_config.h"
#include "base/status_macros.h"
#include "rpc/config_faults.h"
#include "rpc/config_file.h"
#include "rpc/serving_config.h"

namespace innkeeper {
namespace {

using Message = agent::config::v1::AgentConfig;

using PluginMessage = Message::Plugin;

std::set<PluginStage> ReadStages(const PluginMessage& message,
                                 absl::string_view field,
                                 ConfigFaults* faults) {
  std::set<PluginStage> stages;
  for (const int stage : message.stages()) {
    switch (stage) {
      case PluginMessage::ADMIT:
        stages.insert(PluginStage::kAdmit);
        break;
      case PluginMessage::PREPARE:
        stages.insert(PluginStage::kPrepare);
        break;
      case PluginMessage::ARGV:
        stages.insert(PluginStage::kArgv);
        break;
      case PluginMessage::STARTED:
        stages.insert(PluginStage::kStarted);
        break;
      case PluginMessage::STOPPED:
        stages.insert(PluginStage::kStopped);
        break;
      default:
        faults->Add(absl::StrCat(field, ".stages"), "must be named");
    }
  }
  return stages;
}

PluginConfig ReadPlugin(const PluginMessage& message, absl::string_view field,
                        ConfigFaults* faults) {
  PluginConfig plugin;
  plugin.name = message.name();
  plugin.socket = message.socket();
  plugin.stages = ReadStages(message, field, faults);
  if (message.deadline_millis() != 0) {
    plugin.deadline = absl::Milliseconds(message.deadline_millis());
  }
  plugin.fail_open = message.fail_open();
  plugin.uid = message.uid();
  if (!IsPluginName(plugin.name)) {
    faults->Add(absl::StrCat(field, ".name"),
                "must match [a-z0-9][a-z0-9-]{0,31}");
  }
  faults->CheckPath(absl::StrCat(field, ".socket"), plugin.socket, true);
  if (plugin.stages.empty()) {
    faults->Add(absl::StrCat(field, ".stages"), "must be at least one");
  }
  if (plugin.deadline <= absl::ZeroDuration() ||
      plugin.deadline > kMaxPluginDeadline) {
    faults->Add(absl::StrCat(field, ".deadline_millis"), "must be 1 to 10,000");
  }
  if (!message.has_uid()) {
    faults->Add(absl::StrCat(field, ".uid"),
                "is missing; give the uid that the plugin runs as");
  }
  return plugin;
}

void ReadPlugins(const Message& message, AgentConfig* config,
                 ConfigFaults* faults) {
  if (message.plugins_size() > kMaxPlugins) {
    return faults->Add("plugins",
                       absl::StrCat("must be at most ", kMaxPlugins));
  }
  std::set<std::string> names;
  for (int i = 0; i < message.plugins_size(); ++i) {
    const std::string field = absl::StrCat("plugins[", i, "]");
    config->plugins.push_back(ReadPlugin(message.plugins(i), field, faults));
    if (!names.insert(config->plugins.back().name).second) {
      faults->Add(absl::StrCat(field, ".name"), "is another plugin's, too");
    }
  }
  for (const PluginStage stage :
       {PluginStage::kAdmit, PluginStage::kPrepare, PluginStage::kArgv}) {
    absl::Duration total;
    for (const PluginConfig& plugin : config->plugins) {
      if (plugin.stages.count(stage) != 0) total += plugin.deadline;
    }
    if (total <= kMaxStageTime) continue;
    faults->Add("plugins",
                absl::StrCat("may take ", absl::FormatDuration(total),
                             " at the stage ", ToString(stage), ", more than ",
                             absl::FormatDuration(kMaxStageTime),
                             "; shorten deadline_millis"));
  }
  config->owner_plugin_directory = message.owner_plugin_directory();
  faults->CheckPath("owner_plugin_directory", config->owner_plugin_directory,
                    false);
}

void Check(const AgentConfig& config, ConfigFaults* faults) {
  faults->CheckPath("enrolment_token_file", config.enrolment_token_file, false);
  faults->CheckPath("qemu_binary", config.qemu_binary, true);
  for (const auto& [pool, directory] : config.pools) {
    faults->CheckPath(absl::StrCat("pools[", pool, "]"), directory, true);
  }
  for (const auto& [network, file] : config.network_leases) {
    faults->CheckPath(absl::StrCat("network_leases[", network, "]"), file,
                      true);
  }
  if (config.capacity_memory_bytes < 0) {
    faults->Add("capacity_memory_bytes", "must not be negative");
  }
  if (config.capacity_vcpu_count < 0) {
    faults->Add("capacity_vcpu_count", "must not be negative");
  }
  if (config.max_guests < 1 || config.max_guests > 10000) {
    faults->Add("max_guests", "must be 1 to 10,000");
  }
}

}  // namespace

absl::StatusOr<AgentConfig> ReadAgentConfig(const std::string& path) {
  Message message;
  RETURN_IF_ERROR(ReadConfigFile(path, &message));
  AgentConfig config;
  ConfigFaults faults;
  ReadServingConfig(message, ServingNeed::kUnixSocket, &config, &faults);
  config.advertised_address = message.advertised_address();
  if (config.advertised_address.empty() && !config.listen_addresses.empty()) {
    config.advertised_address = config.listen_addresses[0];
  }
  config.enrolment_token_file = message.enrolment_token_file();
  config.labels.insert(message.labels().begin(), message.labels().end());
  config.pools.insert(message.pools().begin(), message.pools().end());
  config.network_leases.insert(message.network_leases().begin(),
                               message.network_leases().end());
  if (!message.qemu_binary().empty()) {
    config.qemu_binary = message.qemu_binary();
  }
  config.capacity_memory_bytes = message.capacity_memory_bytes();
  config.capacity_vcpu_count = message.capacity_vcpu_count();
  if (message.max_guests() != 0) config.max_guests = message.max_guests();
  ReadPlugins(message, &config, &faults);
  Check(config, &faults);
  RETURN_IF_ERROR(faults.ToStatus(path));
  return config;
}

}  // namespace innkeeper
