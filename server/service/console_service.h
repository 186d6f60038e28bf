// innkeeper.v1.Consoles of the cluster.
#ifndef INNKEEPER_SERVER_SERVICE_CONSOLE_SERVICE_H_
#define INNKEEPER_SERVER_SERVICE_CONSOLE_SERVICE_H_

#include "innkeeper/v1/consoles.grpc.pb.h"
#include "rpc/gate.h"
#include "server/service/guest_forwarder.h"

namespace innkeeper {

// Carries consoles between callers and agents. Thread-safe. What the pointers
// point to must outlive it.
class ConsoleService final : public v1::Consoles::CallbackService {
 public:
  ConsoleService(Gate* gate, GuestForwarder* forwarder)
      : gate_(*gate), forwarder_(*forwarder) {}

  grpc::ServerBidiReactor<v1::AttachSerialRequest, v1::AttachSerialResponse>*
  AttachSerial(grpc::CallbackServerContext* context) override;

 private:
  Gate& gate_;
  GuestForwarder& forwarder_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVICE_CONSOLE_SERVICE_H_
