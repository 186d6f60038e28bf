#include "agent/launcher/network_config.h"

#include <net/if.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/launch/launch_plan.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// IPv6 needs the one; no Linux device takes more than the other.
constexpr uint32_t kLeastMtu = 1280;
constexpr uint32_t kMostMtu = 65521;
constexpr size_t kMaxNamespaceName = 63;

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid,
               absl::StrCat("--network '", text, "': ", why));
}

// A name that is one plain element of a path and safe in every output.
bool IsPlainName(absl::string_view name, size_t longest) {
  if (name.empty() || name.size() > longest) return false;
  if (!absl::ascii_isalnum(static_cast<unsigned char>(name.front()))) {
    return false;
  }
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' &&
        c != '_' && c != '-') {
      return false;
    }
  }
  return true;
}

// Whether `option` was understood.
bool SetOption(absl::string_view option, NetworkConfig* network) {
  if (option == "isolated") {
    network->isolated = true;
  } else if (option == "declared") {
    network->declared = true;
  } else if (option == "create") {
    network->create = true;
  } else if (absl::ConsumePrefix(&option, "mtu=")) {
    return absl::SimpleAtoi(option, &network->mtu) &&
           network->mtu >= kLeastMtu && network->mtu <= kMostMtu;
  } else if (absl::ConsumePrefix(&option, "netns=")) {
    network->namespace_name = std::string(option);
    return IsPlainName(option, kMaxNamespaceName);
  } else {
    return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<NetworkConfig> ParseNetwork(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  const std::pair<absl::string_view, absl::string_view> names =
      absl::StrSplit(parts[0], absl::MaxSplits('=', 1));
  NetworkConfig network;
  network.name = std::string(names.first);
  network.bridge = std::string(names.second);
  if (!IsPoolName(network.name)) {
    return Invalid(text, "its name must match [a-z0-9][a-z0-9._-]{0,62}");
  }
  if (!IsPlainName(network.bridge, IFNAMSIZ - 1)) {
    return Invalid(text,
                   "its bridge must be the name of a device, at most 15 "
                   "letters, digits, '.', '_' and '-': NAME=BRIDGE");
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    if (SetOption(parts[i], &network)) continue;
    return Invalid(text,
                   absl::StrCat("'", parts[i],
                                "' is not one of isolated, declared, create, "
                                "mtu=1280 to 65521, netns=NAME"));
  }
  return network;
}

}  // namespace innkeeper
