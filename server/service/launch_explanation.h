// A placement in the words of the API.
#ifndef INNKEEPER_SERVER_SERVICE_LAUNCH_EXPLANATION_H_
#define INNKEEPER_SERVER_SERVICE_LAUNCH_EXPLANATION_H_

#include "innkeeper/v1/guests.pb.h"
#include "server/placement/placer.h"

namespace innkeeper {

// The candidates, the host, and a refusal if there is none.
v1::ExplainLaunchResponse ToExplanation(const PlacementRequest& request,
                                        const Placement& placement);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_LAUNCH_EXPLANATION_H_
