// A whole server: every part of it, made in the right order.
#ifndef INNKEEPER_SERVER_SERVER_H_
#define INNKEEPER_SERVER_SERVER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"

namespace innkeeper {

// Used from the main thread. Lives until the process ends.
class Server {
 public:
  // Opens the store, goes on with what was left unfinished, and serves.
  // InitTls() comes first. Errors name what cannot be used.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerConfig config);
  ~Server();

  // Serves until `stop_fd` is readable, then drains for at most 3 s.
  void RunUntil(int stop_fd);

 private:
  struct Parts;

  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_SERVER_H_
