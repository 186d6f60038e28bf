#include "server/service/guest_reconciler.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"

namespace innkeeper {

void GuestReconciler::Look(const std::string& host) {
  if (!busy_.insert(host).second) return;
  const absl::Status submitted =
      parts_.executor->Submit([this, host] { Begin(host); });
  if (!submitted.ok()) busy_.erase(host);
}

std::vector<GuestClaim> GuestReconciler::Missing(
    const std::string& host) const {
  if (!parts_.inventory->CheckReachable(host).ok()) return {};
  absl::StatusOr<std::vector<GuestClaim>> claims = parts_.claims->OnHost(host);
  if (!claims.ok()) {
    LogWarning("guests.reconcile", {{"error", claims.status().message()}});
    return {};
  }
  std::set<std::string> busy;
  for (const OperationManager::Entry& operation :
       parts_.operations->Unfinished()) {
    busy.insert(operation->guest_uid);
  }
  std::vector<GuestClaim> missing;
  for (GuestClaim& claim : *claims) {
    if (busy.count(claim.uid) != 0) continue;
    if (parts_.inventory->table().FindByUid(claim.uid) != nullptr) continue;
    missing.push_back(std::move(claim));
  }
  return missing;
}

void GuestReconciler::Begin(const std::string& host) {
  std::vector<std::string> missing;
  for (const GuestClaim& claim : Missing(host)) missing.push_back(claim.uid);
  parts_.loop->Post([this, host, missing = std::move(missing)] {
    if (missing.empty()) {
      busy_.erase(host);
      return;
    }
    parts_.loop->After(parts_.grace, [this, host, missing] {
      busy_.erase(host);
      const absl::Status submitted = parts_.executor->Submit(
          [this, host, missing] { End(host, missing); });
      if (!submitted.ok()) LogWarning("guests.reconcile", {{"error", "busy"}});
    });
  });
}

void GuestReconciler::End(const std::string& host,
                          const std::vector<std::string>& missing) {
  for (const GuestClaim& claim : Missing(host)) {
    const bool still =
        std::find(missing.begin(), missing.end(), claim.uid) != missing.end();
    if (!still) continue;
    const absl::Status released =
        parts_.claims->Release(claim.guest, claim.uid);
    LogInfo("guest.gone", {{"guest", claim.guest},
                           {"host", host},
                           {"released", released.ok() ? "yes" : "no"}});
  }
}

}  // namespace innkeeper
