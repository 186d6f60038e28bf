// A console on its way through the server.
#ifndef INNKEEPER_SERVER_HOSTS_SERIAL_RELAY_H_
#define INNKEEPER_SERVER_HOSTS_SERIAL_RELAY_H_

#include <memory>
#include <string>

#include "innkeeper/v1/consoles.grpc.pb.h"
#include "server/hosts/agent_client.h"

namespace innkeeper {

// See AgentClient::AttachSerial; `host` ("h1") is whose agent it is. Each side
// is read only as fast as the other one takes it.
void RelaySerial(std::shared_ptr<v1::Consoles::Stub> stub,
                 const std::string& host, const v1::AttachSerialRequest& first,
                 const Delegation& delegation,
                 std::shared_ptr<AgentClient::Console> stream);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_HOSTS_SERIAL_RELAY_H_
