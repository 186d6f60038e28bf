// A launch plugin as an administrator might write one: every guest belongs to a
// project, and none has more memory than the house allows.
#ifndef INNKEEPER_EXAMPLES_PROJECT_POLICY_PROJECT_POLICY_H_
#define INNKEEPER_EXAMPLES_PROJECT_POLICY_PROJECT_POLICY_H_

#include <cstdint>

#include "innkeeper/plugin/v1/launch_plugin.grpc.pb.h"

// Thread-safe.
class ProjectPolicy final
    : public innkeeper::plugin::v1::LaunchPlugin::CallbackService {
 public:
  // Guests get at most `max_memory_bytes`.
  explicit ProjectPolicy(int64_t max_memory_bytes)
      : max_memory_bytes_(max_memory_bytes) {}

  // What it thinks of a launch: without a label `project` it is denied. What
  // asks for more memory gets less; a guest that was launched with more,
  // before the policy was, does not start again.
  innkeeper::plugin::v1::ReviewLaunchResponse Decide(
      const innkeeper::plugin::v1::ReviewLaunchRequest& request) const;

  grpc::ServerUnaryReactor* ReviewLaunch(
      grpc::CallbackServerContext* context,
      const innkeeper::plugin::v1::ReviewLaunchRequest* request,
      innkeeper::plugin::v1::ReviewLaunchResponse* response) override;
  grpc::ServerUnaryReactor* NotifyStarted(
      grpc::CallbackServerContext* context,
      const innkeeper::plugin::v1::NotifyStartedRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* NotifyStopped(
      grpc::CallbackServerContext* context,
      const innkeeper::plugin::v1::NotifyStoppedRequest* request,
      google::protobuf::Empty* response) override;

 private:
  const int64_t max_memory_bytes_;
};

#endif  // INNKEEPER_EXAMPLES_PROJECT_POLICY_PROJECT_POLICY_H_
