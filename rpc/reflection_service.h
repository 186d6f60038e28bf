// grpc.reflection (v1 and v1alpha) behind the gate.
#ifndef INNKEEPER_RPC_REFLECTION_SERVICE_H_
#define INNKEEPER_RPC_REFLECTION_SERVICE_H_

#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "rpc/gate.h"

namespace innkeeper {

// Shows the descriptors of everything that is linked in, and lists `services`.
// Thread-safe.
class ReflectionService final
    : public grpc::reflection::v1::ServerReflection::CallbackService {
 public:
  // `gate` must outlive it.
  ReflectionService(Gate* gate, std::vector<std::string> services)
      : gate_(gate), services_(std::move(services)) {}

  grpc::ServerBidiReactor<grpc::reflection::v1::ServerReflectionRequest,
                          grpc::reflection::v1::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  Gate* const gate_;
  const std::vector<std::string> services_;
};

// The same under the name that older clients ask for.
class ReflectionAlphaService final
    : public grpc::reflection::v1alpha::ServerReflection::CallbackService {
 public:
  ReflectionAlphaService(Gate* gate, std::vector<std::string> services)
      : gate_(gate), services_(std::move(services)) {}

  grpc::ServerBidiReactor<grpc::reflection::v1alpha::ServerReflectionRequest,
                          grpc::reflection::v1alpha::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  Gate* const gate_;
  const std::vector<std::string> services_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_REFLECTION_SERVICE_H_
