// A whole server: every part of it, made in the right order.
#ifndef INNKEEPER_SERVER_SERVER_H_
#define INNKEEPER_SERVER_SERVER_H_

#include <memory>

#include "absl/status/status.h"
#include "rpc/process.h"
#include "server/config/server_config.h"

namespace innkeeper {

// As Process says.
class Server final : public Process {
 public:
  explicit Server(ServerConfig config);
  ~Server() override;

  // Opens the store, goes on with what was left unfinished, and serves.
  absl::Status Start() override;
  void Stop() override;

 private:
  struct Parts;

  const std::unique_ptr<Parts> parts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVER_H_
