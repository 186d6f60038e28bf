#include "agent/config/plugin_config.h"

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace innkeeper {
namespace {

constexpr size_t kMaxName = 32;

}  // namespace

absl::string_view ToString(PluginStage stage) {
  switch (stage) {
    case PluginStage::kAdmit:
      return "admit";
    case PluginStage::kPrepare:
      return "prepare";
    case PluginStage::kArgv:
      return "argv";
    case PluginStage::kStarted:
      return "started";
    case PluginStage::kStopped:
      return "stopped";
  }
  return "";
}

bool IsPluginName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxName || name[0] == '-') return false;
  for (const char c : name) {
    if (!absl::ascii_islower(static_cast<unsigned char>(c)) &&
        !absl::ascii_isdigit(static_cast<unsigned char>(c)) && c != '-') {
      return false;
    }
  }
  return true;
}

}  // namespace innkeeper
