// Launches in the cluster: checks, places and records them.
#ifndef INNKEEPER_SERVER_SERVICE_GUEST_LAUNCHER_H_
#define INNKEEPER_SERVER_SERVICE_GUEST_LAUNCHER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "auth/delegation.h"
#include "auth/permit.h"
#include "base/completion.h"
#include "base/executor.h"
#include "google/longrunning/operations.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "server/inventory/inventory.h"
#include "server/operations/operation_manager.h"
#include "server/operations/request_ledger.h"
#include "server/placement/placer.h"
#include "server/placement/reservations.h"
#include "server/service/context_finder.h"
#include "server/service/guest_claims.h"
#include "server/service/operation_runner.h"

namespace innkeeper {

// Thread-safe; no method blocks. The pointers must outlive it, and the
// executor's last task must have run before it ends.
class GuestLauncher {
 public:
  struct Parts {
    Executor* executor;
    Store* store;
    OperationManager* operations;
    RequestLedger* ledger;
    Inventory* inventory;
    GuestClaims* claims;
    OperationRunner* runner;
  };

  explicit GuestLauncher(const Parts& parts)
      : parts_(parts), contexts_(parts.inventory), reservations_(parts.store) {}

  // Guests.LaunchGuest.
  void Launch(const Permit& permit, const v1::LaunchGuestRequest& request,
              Completion<google::longrunning::Operation> done);

  // Guests.ExplainLaunch.
  void Explain(const Permit& permit, const v1::LaunchGuestRequest& request,
               Completion<v1::ExplainLaunchResponse> done);

 private:
  struct Task;
  using TaskPtr = std::shared_ptr<Task>;

  // These run on a worker.
  void LookBack(const TaskPtr& task);
  void Record(const TaskPtr& task);
  absl::StatusOr<google::longrunning::Operation> RecordNow(Task& task);
  absl::StatusOr<Placement> PlaceNow(const PlacementRequest& request);

  // Has some agent look at the shape of the request, then goes on.
  void CheckShape(const TaskPtr& task);
  void CheckOnly(const TaskPtr& task, const std::string& host);
  void ExplainAt(const Principal& caller, const v1::LaunchGuestRequest& request,
                 const PlacementRequest& placement_request,
                 std::shared_ptr<Completion<v1::ExplainLaunchResponse>> answer);
  void OnWorker(const TaskPtr& task,
                void (GuestLauncher::*step)(const TaskPtr&));

  const Parts parts_;
  const ContextFinder contexts_;
  Reservations reservations_;
};

// What `request` asks of a host; which have its context is for the caller to
// add.
PlacementRequest ToPlacementRequest(const v1::LaunchGuestRequest& request);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_GUEST_LAUNCHER_H_
