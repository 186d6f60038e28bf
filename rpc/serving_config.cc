#include "rpc/serving_config.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "auth/policy.h"
#include "auth/principal.h"
#include "auth/unix_peer.h"
#include "rpc/config_faults.h"

namespace innkeeper {

void CheckServingConfig(const std::map<uint32_t, std::string>& local_users,
                        ServingNeed need, ServingConfig* config,
                        ConfigFaults* faults) {
  const bool needs_tls =
      need == ServingNeed::kMutualTls || !config->listen_addresses.empty();
  if (!IsPrincipalName(config->name)) {
    faults->Add("name", "must match [a-z0-9][a-z0-9._-]{0,62}");
  }
  if ((needs_tls || !config->trust_domain.empty()) &&
      !IsTrustDomain(config->trust_domain)) {
    faults->Add("trust_domain", "must be like a DNS name in lower case");
  }
  if (need == ServingNeed::kMutualTls && config->listen_addresses.empty()) {
    faults->Add("listen_addresses", "is required");
  }
  faults->CheckPath("unix_socket", config->unix_socket,
                    need == ServingNeed::kUnixSocket);
  faults->CheckPath("state_directory", config->state_directory, true);
  faults->CheckPath("ca_file", config->ca_file, needs_tls);
  faults->CheckPath("certificate_file", config->certificate_file, needs_tls);
  faults->CheckPath("key_file", config->key_file, needs_tls);
  faults->CheckPath("deny_list_file", config->deny_list_file, false);
  absl::StatusOr<LocalUsers> users = ParseLocalUsers(local_users);
  faults->CheckStatus(users.status());
  if (users.ok()) config->local_users = *std::move(users);
  faults->CheckStatus(Policy::Create(config->bindings).status());
}

}  // namespace innkeeper
