// innkeeper.v1.Guests for this host.
#ifndef INNKEEPER_AGENT_SERVICE_GUEST_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_GUEST_SERVICE_H_

#include "agent/service/agent_view.h"
#include "agent/service/context_access.h"
#include "agent/supervisor/guest_supervisor.h"
#include "catalog/guest_list.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it.
class GuestService final : public v1::Guests::WithRawCallbackMethod_ListGuests<
                               v1::Guests::CallbackService> {
 public:
  GuestService(Gate* gate, GuestSupervisor* supervisor, AgentView* view,
               GuestList* list, const ContextAccess* contexts)
      : gate_(*gate),
        supervisor_(*supervisor),
        view_(*view),
        list_(*list),
        contexts_(*contexts) {}

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
  Gate& gate_;
  GuestSupervisor& supervisor_;
  AgentView& view_;
  GuestList& list_;
  const ContextAccess& contexts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_GUEST_SERVICE_H_
