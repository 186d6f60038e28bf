#include "cli/api_client.h"

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "cli/interrupt.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace innkeeper {

ApiClient::ApiClient(std::shared_ptr<grpc::Channel> channel,
                     Interrupt* interrupt, absl::Duration retry_delay)
    : interrupt_(interrupt),
      retry_delay_(retry_delay),
      guests_(v1::Guests::NewStub(channel)),
      hosts_(v1::Hosts::NewStub(channel)),
      consoles_(v1::Consoles::NewStub(channel)),
      contexts_(v1::Contexts::NewStub(channel)),
      events_(v1::Events::NewStub(channel)),
      policy_(v1::Policy::NewStub(channel)),
      operations_(google::longrunning::Operations::NewStub(channel)) {}

absl::Status ApiClient::SamePageAgain() {
  return Error(absl::StatusCode::kInternal, reason::kInternal,
               "the service sends the same page again and again");
}

bool ApiClient::HasRequestId(const google::protobuf::Message& request) {
  const google::protobuf::FieldDescriptor* field =
      request.GetDescriptor()->FindFieldByName("request_id");
  return field != nullptr &&
         !request.GetReflection()->GetString(request, field).empty();
}

absl::Status ApiClient::Attempt(
    bool repeatable, absl::Duration timeout,
    const std::function<absl::Status(grpc::ClientContext*)>& call) {
  absl::Duration delay = retry_delay_;
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    absl::Status status;
    {
      const Interrupt::Guard guard(interrupt_, &context);
      status = call(&context);
    }
    if (!absl::IsUnavailable(status) || !repeatable || attempt == kAttempts) {
      return status;
    }
    if (interrupt_->SleepFor(delay)) return status;
    delay *= 2;
  }
}

}  // namespace innkeeper
