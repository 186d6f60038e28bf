// grpc.health.v1.Health behind the gate.
#ifndef INNKEEPER_RPC_HEALTH_SERVICE_H_
#define INNKEEPER_RPC_HEALTH_SERVICE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Knows the state of a fixed set of services and of "", the whole. All start as
// NOT_SERVING. Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `gate` must outlive it.
  HealthService(Gate* gate, const std::vector<std::string>& services);

  // Tells every watcher. A service that is not of the set is ignored.
  void SetServing(absl::string_view service, bool serving)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The same for all of them and for "".
  void SetAllServing(bool serving) ABSL_LOCKS_EXCLUDED(mutex_);

  // NOT_FOUND (SERVICE_UNKNOWN) for a service that is not of the set.
  grpc::ServerUnaryReactor* Check(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request,
      grpc::health::v1::HealthCheckResponse* response) override;
  // Every service of the set.
  grpc::ServerUnaryReactor* List(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthListRequest* request,
      grpc::health::v1::HealthListResponse* response) override;
  // SERVICE_UNKNOWN is an answer here, and no error.
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  using Response = grpc::health::v1::HealthCheckResponse;
  using Writer = StreamWriter<Response>;

  Response StateOf(absl::string_view service) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Gate* const gate_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::weak_ptr<Writer>>> watchers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_HEALTH_SERVICE_H_
