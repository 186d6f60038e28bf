// innkeeper.v1.Consoles for this host.
#ifndef INNKEEPER_AGENT_SERVICE_CONSOLE_SERVICE_H_
#define INNKEEPER_AGENT_SERVICE_CONSOLE_SERVICE_H_

#include <map>
#include <memory>
#include <string>

#include "agent/driver/guest_driver.h"
#include "base/event_loop.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Thread-safe. What the pointers point to must outlive it; it must outlive what
// the loop still has to do.
class ConsoleService final : public v1::Consoles::CallbackService {
 public:
  ConsoleService(Gate* gate, EventLoop* loop, GuestDriver* driver)
      : gate_(*gate), loop_(*loop), driver_(*driver) {}

  grpc::ServerBidiReactor<v1::AttachSerialRequest, v1::AttachSerialResponse>*
  AttachSerial(grpc::CallbackServerContext* context) override;

 private:
  using Stream = BidiStream<v1::AttachSerialRequest, v1::AttachSerialResponse>;

  // On the loop.
  void Attach(const std::string& guest, const v1::AttachSerialRequest& first,
              std::shared_ptr<Stream> stream);

  Gate& gate_;
  EventLoop& loop_;
  GuestDriver& driver_;
  // How many are attached to each guest; used on the loop only.
  std::map<std::string, int> attached_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_SERVICE_CONSOLE_SERVICE_H_
