#include "server/service/launch_explanation.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace innkeeper {

v1::ExplainLaunchResponse ToExplanation(const PlacementRequest& request,
                                        const Placement& placement) {
  v1::ExplainLaunchResponse explained;
  for (const HostVerdict& verdict : placement.verdicts) {
    auto* candidate = explained.add_candidates();
    candidate->set_host(absl::StrCat("hosts/", verdict.host));
    candidate->set_fits(verdict.fits());
    for (const Loss& loss : verdict.losses) candidate->add_reasons(loss.text);
    if (!verdict.fits()) continue;
    candidate->set_score(verdict.score);
    candidate->add_reasons(absl::StrFormat(
        "free with the guest there: %.0f %% of memory, %.0f %% of vcpus",
        100 * verdict.free_memory_share, 100 * verdict.free_vcpu_share));
  }
  if (placement.host.has_value()) {
    explained.set_host(absl::StrCat("hosts/", *placement.host));
  } else {
    explained.add_refusals(
        std::string(NoHostFits(request, placement).message()));
  }
  return explained;
}

}  // namespace innkeeper
