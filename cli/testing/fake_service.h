// innkeeper.v1 on a unix socket, with answers that a test scripts.
#ifndef INNKEEPER_CLI_TESTING_FAKE_SERVICE_H_
#define INNKEEPER_CLI_TESTING_FAKE_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/server.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "innkeeper/v1/contexts.grpc.pb.h"
#include "innkeeper/v1/events.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "innkeeper/v1/policy.grpc.pb.h"

namespace innkeeper {

// Every call is noted, then answered by its function; one without a function is
// UNIMPLEMENTED. Set the functions before the calls. Notes are thread-safe.
class FakeService {
 public:
  template <typename Request, typename Response>
  using Unary = std::function<grpc::Status(const Request&, Response*)>;
  template <typename Request, typename Response>
  using Stream = std::function<grpc::Status(
      const Request&, grpc::ServerContext*, grpc::ServerWriter<Response>*)>;
  using Operation = google::longrunning::Operation;

  FakeService();
  ~FakeService();

  // "unix:PATH".
  const std::string& address() const { return address_; }
  // "Type { fields }" of each request, in the order they came.
  std::vector<std::string> requests() const;

  Unary<v1::LaunchGuestRequest, Operation> launch;
  Unary<v1::GetGuestRequest, v1::Guest> get;
  Unary<v1::ListGuestsRequest, v1::ListGuestsResponse> list;
  Stream<v1::WatchGuestsRequest, v1::WatchGuestsResponse> watch;
  Unary<v1::StartGuestRequest, Operation> start;
  Unary<v1::StopGuestRequest, Operation> stop;
  Unary<v1::RebootGuestRequest, Operation> reboot;
  Unary<v1::PauseGuestRequest, v1::Guest> pause;
  Unary<v1::ResumeGuestRequest, v1::Guest> resume;
  Unary<v1::DeleteGuestRequest, Operation> remove;
  Unary<v1::ExplainLaunchRequest, v1::ExplainLaunchResponse> explain;
  Unary<v1::GetGuestSecurityRequest, v1::GuestSecurity> security;
  Unary<v1::GetHostRequest, v1::Host> get_host;
  Unary<v1::ListHostsRequest, v1::ListHostsResponse> list_hosts;
  Unary<v1::CordonHostRequest, v1::Host> cordon;
  Unary<v1::UncordonHostRequest, v1::Host> uncordon;
  Unary<v1::RemoveHostRequest, google::protobuf::Empty> remove_host;
  Unary<v1::CreateEnrolmentTokenRequest, v1::CreateEnrolmentTokenResponse>
      create_token;
  Unary<v1::CreateContextRequest, v1::Context> create_context;
  Unary<v1::GetContextRequest, v1::Context> get_context;
  Unary<v1::ListContextsRequest, v1::ListContextsResponse> list_contexts;
  Unary<v1::DeleteContextRequest, google::protobuf::Empty> delete_context;
  Unary<v1::WhoAmIRequest, v1::WhoAmIResponse> who_am_i;
  Stream<v1::WatchEventsRequest, v1::WatchEventsResponse> events;
  Unary<google::longrunning::ListOperationsRequest,
        google::longrunning::ListOperationsResponse>
      list_operations;
  Unary<google::longrunning::GetOperationRequest, Operation> get_operation;
  Unary<google::longrunning::WaitOperationRequest, Operation> wait_operation;
  Unary<google::longrunning::CancelOperationRequest, google::protobuf::Empty>
      cancel_operation;
  std::function<grpc::Status(
      grpc::ServerContext*, grpc::ServerReaderWriter<v1::AttachSerialResponse,
                                                     v1::AttachSerialRequest>*)>
      console;

 private:
  class Guests;
  class Hosts;
  class Consoles;
  class Contexts;
  class Events;
  class Policy;
  class Operations;

  void Note(const google::protobuf::Message& request)
      ABSL_LOCKS_EXCLUDED(mutex_);

  template <typename Request, typename Response>
  grpc::Status Answer(const Unary<Request, Response>& function,
                      const Request* request, Response* response);
  template <typename Request, typename Response>
  grpc::Status AnswerStream(const Stream<Request, Response>& function,
                            grpc::ServerContext* context,
                            const Request* request,
                            grpc::ServerWriter<Response>* writer);

  std::string address_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mutex_;
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_TESTING_FAKE_SERVICE_H_
