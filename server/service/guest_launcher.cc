#include "server/service/guest_launcher.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "catalog/request_digest.h"
#include "server/inventory/host_view.h"
#include "server/service/launch_explanation.h"
#include "server/service/operation_view.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

constexpr char kLaunch[] = "innkeeper.v1.Guests/LaunchGuest";
constexpr char kExplain[] = "innkeeper.v1.Guests/ExplainLaunch";
constexpr absl::Duration kCheckTimeout = absl::Seconds(10);
constexpr int kMaxTries = 5;

// Whether the caller may make a guest for whom it says, where it says.
absl::Status CheckOwner(const Permit& permit,
                        const v1::LaunchGuestRequest& request,
                        const std::string& owner) {
  ResourceAttributes attributes;
  attributes.name = absl::StrCat("guests/", request.guest_id());
  attributes.owner = owner;
  attributes.host = request.host();
  attributes.labels.insert(request.guest().labels().begin(),
                           request.guest().labels().end());
  if (permit.CanSee(attributes)) return absl::OkStatus();
  return Error(absl::StatusCode::kPermissionDenied, reason::kPermissionDenied,
               absl::StrCat(permit.caller().principal.ToString(),
                            " may not launch this guest for ", owner,
                            "; launch for yourself, or ask an administrator "
                            "for a role"))
      .With("owner", owner);
}

}  // namespace

struct GuestLauncher::Task {
  v1::LaunchGuestRequest request;
  Principal caller;
  PlacementRequest placement;
  RequestKey key;
  ClusterOperation operation;
  Completion<Operation> done;

  Delegation delegation() const { return {caller, "", operation.guest_uid, 0}; }
};

PlacementRequest ToPlacementRequest(const v1::LaunchGuestRequest& request) {
  const v1::GuestSpec& spec = request.guest().spec();
  PlacementRequest placement;
  placement.needs = ToCapacity(spec);
  placement.needs_kvm = spec.acceleration() == v1::GuestSpec::KVM;
  placement.machine_type =
      spec.machine() == v1::GuestSpec::MICROVM ? "microvm" : "q35";
  for (const v1::GuestSpec::Disk& disk : spec.disks()) {
    placement.volumes.insert(ToVolume(disk.volume()));
    for (const v1::GuestSpec::Disk::Layer& layer : disk.backing()) {
      placement.volumes.insert(ToVolume(layer.volume()));
    }
  }
  for (const std::string& volume : {spec.kernel(), spec.initrd()}) {
    if (!volume.empty()) placement.volumes.insert(ToVolume(volume));
  }
  for (const v1::GuestSpec::NetworkInterface& network : spec.networks()) {
    placement.networks.insert(
        std::string(absl::StripPrefix(network.network(), "networks/")));
  }
  if (spec.firmware() == v1::GuestSpec::UEFI) {
    placement.features.insert("uefi");
  } else if (spec.firmware() == v1::GuestSpec::UEFI_SECURE_BOOT) {
    placement.features.insert("uefi-secure-boot");
  }
  if (!request.host().empty()) placement.host = HostId(request.host());
  placement.labels.insert(request.host_labels().begin(),
                          request.host_labels().end());
  placement.context =
      std::string(absl::StripPrefix(spec.context(), "contexts/"));
  return placement;
}

void GuestLauncher::OnWorker(const TaskPtr& task,
                             void (GuestLauncher::*step)(const TaskPtr&)) {
  const absl::Status submitted =
      parts_.executor->Submit([this, task, step] { (this->*step)(task); });
  if (!submitted.ok()) task->done(submitted);
}

void GuestLauncher::Launch(const Permit& permit,
                           const v1::LaunchGuestRequest& request,
                           Completion<Operation> done) {
  const Principal& caller = permit.caller().principal;
  const std::string owner = request.guest().owner().empty()
                                ? caller.ToString()
                                : request.guest().owner();
  const absl::Status allowed = CheckOwner(permit, request, owner);
  if (!allowed.ok()) return done(allowed);

  ClusterOperation operation;
  operation.name = absl::StrCat("operations/", MakeUuid());
  operation.method = kLaunch;
  operation.caller = caller.ToString();
  if (permit.delegate().has_value()) {
    operation.delegate = permit.delegate()->ToString();
  }
  operation.guest = request.guest_id();
  operation.guest_uid = MakeUuid();
  operation.owner = owner;
  operation.step = "placed";
  operation.request = request.SerializeAsString();
  RequestKey key{operation.caller, kLaunch, request.request_id(),
                 RequestDigest(request)};
  auto task = std::make_shared<Task>(
      Task{request, caller, ToPlacementRequest(request), std::move(key),
           std::move(operation), std::move(done)});
  contexts_.Find(request, caller, [this, task](std::set<std::string> hosts) {
    task->placement.context_hosts = std::move(hosts);
    OnWorker(task, &GuestLauncher::LookBack);
  });
}

void GuestLauncher::LookBack(const TaskPtr& task) {
  if (task->request.validate_only()) {
    absl::StatusOr<Placement> placement = PlaceNow(task->placement);
    if (!placement.ok()) return task->done(placement.status());
    const absl::Status free = parts_.claims->CheckFree(task->operation.guest);
    if (!free.ok()) return task->done(free);
    if (!placement->host.has_value()) {
      return task->done(NoHostFits(task->placement, *placement));
    }
    return CheckOnly(task, *placement->host);
  }
  const absl::StatusOr<RequestSlot> slot = parts_.ledger->Find(task->key);
  if (!slot.ok()) return task->done(slot.status());
  if (!slot->answer.has_value()) return CheckShape(task);
  absl::StatusOr<ClusterOperation> earlier =
      parts_.operations->Load(slot->answer->operation);
  if (!earlier.ok()) return task->done(earlier.status());
  task->done(ToOperation(*earlier));
}

void GuestLauncher::CheckOnly(const TaskPtr& task, const std::string& host) {
  const std::shared_ptr<AgentClient> client =
      parts_.inventory->FindClient(host);
  if (client == nullptr) {
    return task->done(parts_.inventory->CheckReachable(host));
  }
  CallAgent<Operation>(*client, kLaunch, task->request, task->delegation(),
                       kCheckTimeout,
                       [task, host](absl::StatusOr<Operation> checked) {
                         if (checked.ok()) return task->done(*checked);
                         task->done(ToHostError(host, checked.status()));
                       });
}

void GuestLauncher::CheckShape(const TaskPtr& task) {
  std::shared_ptr<AgentClient> client;
  for (const v1::Host& host : parts_.inventory->Hosts()) {
    if (host.state() != v1::Host::UP) continue;
    client = parts_.inventory->FindClient(HostId(host.name()));
    if (client != nullptr) break;
  }
  if (client == nullptr) return Record(task);
  // Any agent knows what a request must look like; what else it says is about
  // itself, and it may not be the host.
  v1::LaunchGuestRequest check = task->request;
  check.set_validate_only(true);
  check.clear_host();
  CallAgent<Operation>(*client, kLaunch, check, task->delegation(),
                       kCheckTimeout,
                       [this, task](const absl::StatusOr<Operation>& checked) {
                         if (absl::IsInvalidArgument(checked.status())) {
                           return task->done(checked.status());
                         }
                         OnWorker(task, &GuestLauncher::Record);
                       });
}

void GuestLauncher::Record(const TaskPtr& task) {
  absl::StatusOr<Operation> operation = RecordNow(*task);
  const std::string name = operation.ok() ? operation->name() : "";
  task->done(std::move(operation));
  INNKEEPER_FAILPOINT("server.launch.answered");
  if (name == task->operation.name) parts_.runner->Run(name, nullptr);
}

absl::StatusOr<Operation> GuestLauncher::RecordNow(Task& task) {
  std::string earlier;
  const auto companion = [&](absl::string_view host) -> absl::StatusOr<Txn> {
    ASSIGN_OR_RETURN(const RequestSlot slot, parts_.ledger->Find(task.key));
    if (slot.answer.has_value()) {
      earlier = slot.answer->operation;
      return absl::AbortedError("seen before");
    }
    RETURN_IF_ERROR(parts_.claims->CheckFree(task.operation.guest));
    task.operation.host = std::string(host);
    Txn txn = parts_.operations->MakeStart(task.operation);
    txn.Append(
        GuestClaims::MakeClaim({task.operation.guest, task.operation.guest_uid,
                                task.operation.owner, task.operation.host}));
    txn.Append(
        parts_.ledger->MakeEntry(task.key, slot, {task.operation.name, ""}));
    return txn;
  };
  INNKEEPER_FAILPOINT("server.launch.reserving");
  absl::StatusOr<std::string> host = std::string();
  for (int i = 0; i < kMaxTries; ++i) {
    host = reservations_.Reserve(
        task.placement, task.operation.guest_uid,
        [&]() -> absl::StatusOr<std::vector<ObservedHost>> {
          return parts_.inventory->Observe();
        },
        companion);
    if (!IsOutcomeUnknown(host.status())) break;
  }
  if (!earlier.empty()) {
    ASSIGN_OR_RETURN(const ClusterOperation operation,
                     parts_.operations->Load(earlier));
    return ToOperation(operation);
  }
  if (!host.ok()) {
    // An id that is taken is said before that there is no room.
    RETURN_IF_ERROR(parts_.claims->CheckFree(task.operation.guest));
    return host.status();
  }
  INNKEEPER_FAILPOINT("server.launch.reserved");
  parts_.claims->Learn({task.operation.guest, task.operation.guest_uid,
                        task.operation.owner, task.operation.host});
  ASSIGN_OR_RETURN(const ClusterOperation operation,
                   parts_.operations->Load(task.operation.name));
  return ToOperation(operation);
}

absl::StatusOr<Placement> GuestLauncher::PlaceNow(
    const PlacementRequest& request) {
  ASSIGN_OR_RETURN(
      const ReservationView view,
      ReservationView::Read(parts_.store, parts_.inventory->Observe()));
  return Place(request, view.hosts());
}

void GuestLauncher::Explain(const Permit& permit,
                            const v1::LaunchGuestRequest& request,
                            Completion<v1::ExplainLaunchResponse> done) {
  const Principal caller = permit.caller().principal;
  const std::string owner = request.guest().owner().empty()
                                ? caller.ToString()
                                : request.guest().owner();
  const absl::Status allowed = CheckOwner(permit, request, owner);
  if (!allowed.ok()) return done(allowed);
  auto answer =
      std::make_shared<Completion<v1::ExplainLaunchResponse>>(std::move(done));
  contexts_.Find(request, caller,
                 [this, caller, request, answer](std::set<std::string> hosts) {
                   PlacementRequest placement = ToPlacementRequest(request);
                   placement.context_hosts = std::move(hosts);
                   ExplainAt(caller, request, placement, answer);
                 });
}

void GuestLauncher::ExplainAt(
    const Principal& caller, const v1::LaunchGuestRequest& request,
    const PlacementRequest& placement_request,
    std::shared_ptr<Completion<v1::ExplainLaunchResponse>> answer) {
  const absl::Status submitted = parts_.executor->Submit(
      [this, caller, request, placement_request, answer] {
        absl::StatusOr<Placement> placement = PlaceNow(placement_request);
        if (!placement.ok()) return (*answer)(placement.status());
        v1::ExplainLaunchResponse explained =
            ToExplanation(placement_request, *placement);
        const absl::Status free = parts_.claims->CheckFree(request.guest_id());
        if (!free.ok()) explained.add_refusals(std::string(free.message()));
        const std::shared_ptr<AgentClient> client =
            placement->host.has_value()
                ? parts_.inventory->FindClient(*placement->host)
                : nullptr;
        if (client == nullptr) return (*answer)(std::move(explained));
        v1::ExplainLaunchRequest forwarded;
        *forwarded.mutable_launch() = request;
        CallAgent<v1::ExplainLaunchResponse>(
            *client, kExplain, forwarded, Delegation{caller, "", "", 0},
            kCheckTimeout,
            [explained = std::move(explained), chosen = *placement->host,
             answer](absl::StatusOr<v1::ExplainLaunchResponse> host) mutable {
              if (!host.ok()) {
                return (*answer)(ToHostError(chosen, host.status()));
              }
              explained.MergeFrom(*host);
              (*answer)(std::move(explained));
            });
      });
  if (!submitted.ok()) (*answer)(submitted);
}

}  // namespace innkeeper
