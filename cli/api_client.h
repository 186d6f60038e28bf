// Calls of innkeeper.v1, with deadlines, retries and Ctrl-C.
#ifndef INNKEEPER_CLI_API_CLIENT_H_
#define INNKEEPER_CLI_API_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "innkeeper/v1/contexts.grpc.pb.h"
#include "innkeeper/v1/events.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "innkeeper/v1/policy.grpc.pb.h"

namespace innkeeper {

// Not thread-safe.
class ApiClient {
 public:
  // How long a call may take that does not wait for a guest.
  static constexpr absl::Duration kCallTimeout = absl::Seconds(30);
  // Attempts of a call that may be repeated.
  static constexpr int kAttempts = 5;

  // `interrupt` is not owned. Retries start after `retry_delay`, which doubles.
  ApiClient(std::shared_ptr<grpc::Channel> channel, Interrupt* interrupt,
            absl::Duration retry_delay);

  // One call; blocks until it is answered. While the service is UNAVAILABLE, a
  // request with a request_id is sent again as it is, kAttempts times in all:
  // so it happens once. CANCELLED on Ctrl-C.
  //
  //   client.Call(&v1::Guests::Stub::GetGuest, client.guests(), request)
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      Stub& stub, const Request& request,
      absl::Duration timeout = kCallTimeout) {
    Response response;
    const absl::Status status = Attempt(
        HasRequestId(request), timeout, [&](grpc::ClientContext* context) {
          response.Clear();
          return FromGrpc((stub.*method)(context, request, &response));
        });
    if (!status.ok()) return status;
    return response;
  }

  // Every page of a list, one after the other; each is given to `take` as soon
  // as it is there. Errors of Call; INTERNAL if the service sends the same page
  // again and again.
  template <typename Stub, typename Request, typename Response, typename Take>
  absl::Status CallForPages(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                         const Request&,
                                                         Response*),
                            Stub& stub, Request request, const Take& take) {
    while (true) {
      absl::StatusOr<Response> page = Call(method, stub, request);
      if (!page.ok()) return page.status();
      const std::string next = page->next_page_token();
      take(*page);
      if (next.empty()) return absl::OkStatus();
      if (next == request.page_token()) return SamePageAgain();
      request.set_page_token(next);
    }
  }

  v1::Guests::Stub& guests() { return *guests_; }
  v1::Hosts::Stub& hosts() { return *hosts_; }
  v1::Consoles::Stub& consoles() { return *consoles_; }
  v1::Contexts::Stub& contexts() { return *contexts_; }
  v1::Events::Stub& events() { return *events_; }
  v1::Policy::Stub& policy() { return *policy_; }
  google::longrunning::Operations::Stub& operations() { return *operations_; }
  Interrupt* interrupt() { return interrupt_; }
  absl::Duration retry_delay() const { return retry_delay_; }

 private:
  static absl::Status SamePageAgain();
  static bool HasRequestId(const google::protobuf::Message& request);

  absl::Status Attempt(
      bool repeatable, absl::Duration timeout,
      const std::function<absl::Status(grpc::ClientContext*)>& call);

  Interrupt* const interrupt_;
  const absl::Duration retry_delay_;
  const std::unique_ptr<v1::Guests::Stub> guests_;
  const std::unique_ptr<v1::Hosts::Stub> hosts_;
  const std::unique_ptr<v1::Consoles::Stub> consoles_;
  const std::unique_ptr<v1::Contexts::Stub> contexts_;
  const std::unique_ptr<v1::Events::Stub> events_;
  const std::unique_ptr<v1::Policy::Stub> policy_;
  const std::unique_ptr<google::longrunning::Operations::Stub> operations_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_API_CLIENT_H_
