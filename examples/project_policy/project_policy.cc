#include "examples/project_policy/project_policy.h"

#include <cstdio>
#include <string>

namespace {

using google::protobuf::Empty;
using innkeeper::plugin::v1::NotifyStartedRequest;
using innkeeper::plugin::v1::NotifyStoppedRequest;
using innkeeper::plugin::v1::ReviewLaunchRequest;
using innkeeper::plugin::v1::ReviewLaunchResponse;

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace

ReviewLaunchResponse ProjectPolicy::Decide(
    const ReviewLaunchRequest& request) const {
  ReviewLaunchResponse response;
  const innkeeper::v1::Guest& guest = request.guest();
  const bool too_large = guest.spec().memory_bytes() > max_memory_bytes_;
  const std::string limit = std::to_string(max_memory_bytes_ >> 20) + " MiB";
  if (guest.labels().count("project") == 0) {
    response.mutable_deny()->add_reasons(
        "every guest needs the label project=NAME; add it");
  }
  if (too_large && request.restart()) {
    response.mutable_deny()->add_reasons("guests have at most " + limit +
                                         " now; launch it anew");
  }
  if (response.has_deny()) return response;
  if (too_large) {
    response.mutable_patch()->set_memory_bytes(max_memory_bytes_);
    return response;
  }
  response.mutable_allow();
  return response;
}

grpc::ServerUnaryReactor* ProjectPolicy::ReviewLaunch(
    grpc::CallbackServerContext* context, const ReviewLaunchRequest* request,
    ReviewLaunchResponse* response) {
  *response = Decide(*request);
  return Answer(context);
}

grpc::ServerUnaryReactor* ProjectPolicy::NotifyStarted(
    grpc::CallbackServerContext* context, const NotifyStartedRequest* request,
    Empty* /*response*/) {
  fprintf(stderr, "started %s\n", request->guest().name().c_str());
  return Answer(context);
}

grpc::ServerUnaryReactor* ProjectPolicy::NotifyStopped(
    grpc::CallbackServerContext* context, const NotifyStoppedRequest* request,
    Empty* /*response*/) {
  fprintf(stderr, "stopped %s\n", request->guest().name().c_str());
  return Answer(context);
}
