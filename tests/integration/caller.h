// One principal's way to an agent: its stubs, with calls that wait.
#ifndef INNKEEPER_TESTS_INTEGRATION_CALLER_H_
#define INNKEEPER_TESTS_INTEGRATION_CALLER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "innkeeper/v1/events.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "innkeeper/v1/policy.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {

// How long a call may take before a test gives up: far more than it needs on a
// machine that is not overloaded.
inline constexpr absl::Duration kPatience = absl::Seconds(120);

// Thread-safe. Each call blocks, for at most kPatience.
class Caller {
 public:
  explicit Caller(std::shared_ptr<grpc::Channel> channel);

  //   caller.Call(&v1::Guests::Stub::GetGuest, caller.guests(), request)
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      Stub& stub, const Request& request) const {
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    Response response;
    const absl::Status status =
        FromGrpcStatus((stub.*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  absl::StatusOr<google::longrunning::Operation> Launch(
      const v1::LaunchGuestRequest& request) const;
  absl::StatusOr<google::longrunning::Operation> Start(
      absl::string_view guest) const;
  // By force, or by the power button.
  absl::StatusOr<google::longrunning::Operation> Stop(absl::string_view guest,
                                                      bool force) const;
  absl::StatusOr<google::longrunning::Operation> Reboot(
      absl::string_view guest) const;
  absl::StatusOr<google::longrunning::Operation> Delete(
      absl::string_view guest) const;
  absl::StatusOr<v1::Guest> Get(absl::string_view guest) const;
  // The whole list, FULL.
  absl::StatusOr<std::vector<v1::Guest>> List() const;
  // Until the operation has ended, whatever its outcome.
  absl::StatusOr<google::longrunning::Operation> Wait(
      const std::string& operation) const;
  // The outcome of the operation that a call answered with, waited for.
  absl::Status Finish(
      const absl::StatusOr<google::longrunning::Operation>& begun) const;

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::Guests::Stub& guests() const { return *guests_; }
  v1::Consoles::Stub& consoles() const { return *consoles_; }
  v1::Events::Stub& events() const { return *events_; }
  v1::Hosts::Stub& hosts() const { return *hosts_; }
  v1::Policy::Stub& policy() const { return *policy_; }
  google::longrunning::Operations::Stub& operations() const {
    return *operations_;
  }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::Guests::Stub> guests_;
  const std::unique_ptr<v1::Consoles::Stub> consoles_;
  const std::unique_ptr<v1::Events::Stub> events_;
  const std::unique_ptr<v1::Hosts::Stub> hosts_;
  const std::unique_ptr<v1::Policy::Stub> policy_;
  const std::unique_ptr<google::longrunning::Operations::Stub> operations_;
};

// A guest of one vCPU and 32 MiB without disks, which stays PAUSED: a process
// with all that belongs to it, ready in an instant.
v1::LaunchGuestRequest PausedGuest(absl::string_view id,
                                   absl::string_view owner);

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_CALLER_H_
