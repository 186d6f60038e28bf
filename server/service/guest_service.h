// innkeeper.v1.Guests of the cluster.
#ifndef INNKEEPER_SERVER_SERVICE_GUEST_SERVICE_H_
#define INNKEEPER_SERVER_SERVICE_GUEST_SERVICE_H_

#include "catalog/guest_list.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/gate.h"
#include "server/inventory/inventory.h"
#include "server/service/guest_forwarder.h"
#include "server/service/guest_launcher.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class GuestService final : public v1::Guests::WithRawCallbackMethod_ListGuests<
                               v1::Guests::CallbackService> {
 public:
  GuestService(Gate* gate, Inventory* inventory, GuestList* list,
               GuestLauncher* launcher, GuestForwarder* forwarder)
      : gate_(*gate),
        inventory_(*inventory),
        list_(*list),
        launcher_(*launcher),
        forwarder_(*forwarder) {}

  grpc::ServerUnaryReactor* LaunchGuest(
      grpc::CallbackServerContext* context,
      const v1::LaunchGuestRequest* request,
      google::longrunning::Operation* response) override;
  grpc::ServerUnaryReactor* GetGuest(grpc::CallbackServerContext* context,
                                     const v1::GetGuestRequest* request,
                                     v1::Guest* response) override;
  grpc::ServerUnaryReactor* ListGuests(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<v1::WatchGuestsResponse>* WatchGuests(
      grpc::CallbackServerContext* context,
      const v1::WatchGuestsRequest* request) override;
  grpc::ServerUnaryReactor* StartGuest(
      grpc::CallbackServerContext* context,
      const v1::StartGuestRequest* request,
      google::longrunning::Operation* response) override;
  grpc::ServerUnaryReactor* StopGuest(
      grpc::CallbackServerContext* context, const v1::StopGuestRequest* request,
      google::longrunning::Operation* response) override;
  grpc::ServerUnaryReactor* RebootGuest(
      grpc::CallbackServerContext* context,
      const v1::RebootGuestRequest* request,
      google::longrunning::Operation* response) override;
  grpc::ServerUnaryReactor* PauseGuest(grpc::CallbackServerContext* context,
                                       const v1::PauseGuestRequest* request,
                                       v1::Guest* response) override;
  grpc::ServerUnaryReactor* ResumeGuest(grpc::CallbackServerContext* context,
                                        const v1::ResumeGuestRequest* request,
                                        v1::Guest* response) override;
  grpc::ServerUnaryReactor* DeleteGuest(
      grpc::CallbackServerContext* context,
      const v1::DeleteGuestRequest* request,
      google::longrunning::Operation* response) override;
  grpc::ServerUnaryReactor* ExplainLaunch(
      grpc::CallbackServerContext* context,
      const v1::ExplainLaunchRequest* request,
      v1::ExplainLaunchResponse* response) override;
  grpc::ServerUnaryReactor* GetGuestSecurity(
      grpc::CallbackServerContext* context,
      const v1::GetGuestSecurityRequest* request,
      v1::GuestSecurity* response) override;

 private:
  template <typename Request>
  grpc::ServerUnaryReactor* Operate(grpc::CallbackServerContext* context,
                                    const Request* request,
                                    google::longrunning::Operation* response);
  template <typename Request>
  grpc::ServerUnaryReactor* Forward(grpc::CallbackServerContext* context,
                                    const Request* request,
                                    v1::Guest* response);

  Gate& gate_;
  Inventory& inventory_;
  GuestList& list_;
  GuestLauncher& launcher_;
  GuestForwarder& forwarder_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_GUEST_SERVICE_H_
