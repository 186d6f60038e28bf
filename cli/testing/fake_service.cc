#include "cli/testing/fake_service.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/uuid.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/server_context.h"

namespace innkeeper {

using google::longrunning::CancelOperationRequest;
using google::longrunning::GetOperationRequest;
using google::longrunning::ListOperationsRequest;
using google::longrunning::ListOperationsResponse;
using google::longrunning::WaitOperationRequest;
using google::protobuf::Empty;

#define FAKE_UNARY(Method, Request, Response, function)             \
  grpc::Status Method(grpc::ServerContext*, const Request* request, \
                      Response* response) override {                \
    return fake_->Answer(fake_->function, request, response);       \
  }

#define FAKE_STREAM(Method, Request, Response, function)                    \
  grpc::Status Method(grpc::ServerContext* context, const Request* request, \
                      grpc::ServerWriter<Response>* writer) override {      \
    return fake_->AnswerStream(fake_->function, context, request, writer);  \
  }

class FakeService::Guests : public v1::Guests::Service {
 public:
  explicit Guests(FakeService* fake) : fake_(fake) {}
  FAKE_UNARY(LaunchGuest, v1::LaunchGuestRequest, Operation, launch)
  FAKE_UNARY(GetGuest, v1::GetGuestRequest, v1::Guest, get)
  FAKE_UNARY(ListGuests, v1::ListGuestsRequest, v1::ListGuestsResponse, list)
  FAKE_STREAM(WatchGuests, v1::WatchGuestsRequest, v1::WatchGuestsResponse,
              watch)
  FAKE_UNARY(StartGuest, v1::StartGuestRequest, Operation, start)
  FAKE_UNARY(StopGuest, v1::StopGuestRequest, Operation, stop)
  FAKE_UNARY(RebootGuest, v1::RebootGuestRequest, Operation, reboot)
  FAKE_UNARY(PauseGuest, v1::PauseGuestRequest, v1::Guest, pause)
  FAKE_UNARY(ResumeGuest, v1::ResumeGuestRequest, v1::Guest, resume)
  FAKE_UNARY(DeleteGuest, v1::DeleteGuestRequest, Operation, remove)
  FAKE_UNARY(ExplainLaunch, v1::ExplainLaunchRequest, v1::ExplainLaunchResponse,
             explain)
  FAKE_UNARY(GetGuestSecurity, v1::GetGuestSecurityRequest, v1::GuestSecurity,
             security)

 private:
  FakeService* const fake_;
};

class FakeService::Hosts : public v1::Hosts::Service {
 public:
  explicit Hosts(FakeService* fake) : fake_(fake) {}
  FAKE_UNARY(GetHost, v1::GetHostRequest, v1::Host, get_host)
  FAKE_UNARY(ListHosts, v1::ListHostsRequest, v1::ListHostsResponse, list_hosts)
  FAKE_UNARY(CordonHost, v1::CordonHostRequest, v1::Host, cordon)
  FAKE_UNARY(UncordonHost, v1::UncordonHostRequest, v1::Host, uncordon)
  FAKE_UNARY(RemoveHost, v1::RemoveHostRequest, Empty, remove_host)
  FAKE_UNARY(CreateEnrolmentToken, v1::CreateEnrolmentTokenRequest,
             v1::CreateEnrolmentTokenResponse, create_token)

 private:
  FakeService* const fake_;
};

class FakeService::Consoles : public v1::Consoles::Service {
 public:
  explicit Consoles(FakeService* fake) : fake_(fake) {}
  grpc::Status AttachSerial(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::AttachSerialResponse,
                               v1::AttachSerialRequest>* stream) override {
    return fake_->console == nullptr ? grpc::Status(grpc::UNIMPLEMENTED, "")
                                     : fake_->console(context, stream);
  }

 private:
  FakeService* const fake_;
};

class FakeService::Contexts : public v1::Contexts::Service {
 public:
  explicit Contexts(FakeService* fake) : fake_(fake) {}
  FAKE_UNARY(CreateContext, v1::CreateContextRequest, v1::Context,
             create_context)
  FAKE_UNARY(GetContext, v1::GetContextRequest, v1::Context, get_context)
  FAKE_UNARY(ListContexts, v1::ListContextsRequest, v1::ListContextsResponse,
             list_contexts)
  FAKE_UNARY(DeleteContext, v1::DeleteContextRequest, Empty, delete_context)

 private:
  FakeService* const fake_;
};

class FakeService::Events : public v1::Events::Service {
 public:
  explicit Events(FakeService* fake) : fake_(fake) {}
  FAKE_STREAM(WatchEvents, v1::WatchEventsRequest, v1::WatchEventsResponse,
              events)

 private:
  FakeService* const fake_;
};

class FakeService::Policy : public v1::Policy::Service {
 public:
  explicit Policy(FakeService* fake) : fake_(fake) {}
  FAKE_UNARY(WhoAmI, v1::WhoAmIRequest, v1::WhoAmIResponse, who_am_i)

 private:
  FakeService* const fake_;
};

class FakeService::Operations
    : public google::longrunning::Operations::Service {
 public:
  explicit Operations(FakeService* fake) : fake_(fake) {}
  FAKE_UNARY(ListOperations, ListOperationsRequest, ListOperationsResponse,
             list_operations)
  FAKE_UNARY(GetOperation, GetOperationRequest, Operation, get_operation)
  FAKE_UNARY(WaitOperation, WaitOperationRequest, Operation, wait_operation)
  FAKE_UNARY(CancelOperation, CancelOperationRequest, Empty, cancel_operation)

 private:
  FakeService* const fake_;
};

#undef FAKE_UNARY
#undef FAKE_STREAM

FakeService::FakeService()
    // Short: a socket's path has 107 bytes at most.
    : address_(absl::StrCat("unix:/tmp/inn-", MakeUuid(), ".sock")) {
  services_.push_back(std::make_unique<Guests>(this));
  services_.push_back(std::make_unique<Hosts>(this));
  services_.push_back(std::make_unique<Consoles>(this));
  services_.push_back(std::make_unique<Contexts>(this));
  services_.push_back(std::make_unique<Events>(this));
  services_.push_back(std::make_unique<Policy>(this));
  services_.push_back(std::make_unique<Operations>(this));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
  for (const auto& service : services_) builder.RegisterService(service.get());
  server_ = builder.BuildAndStart();
}

FakeService::~FakeService() {
  server_->Shutdown(std::chrono::system_clock::now());
}

std::vector<std::string> FakeService::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

void FakeService::Note(const google::protobuf::Message& request) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  printer.PrintToString(request, &text);
  absl::MutexLock lock(&mutex_);
  requests_.push_back(
      absl::StrCat(request.GetDescriptor()->name(), " { ", text, "}"));
}

template <typename Request, typename Response>
grpc::Status FakeService::Answer(const Unary<Request, Response>& function,
                                 const Request* request, Response* response) {
  Note(*request);
  if (function == nullptr) return grpc::Status(grpc::UNIMPLEMENTED, "");
  return function(*request, response);
}

template <typename Request, typename Response>
grpc::Status FakeService::AnswerStream(
    const Stream<Request, Response>& function, grpc::ServerContext* context,
    const Request* request, grpc::ServerWriter<Response>* writer) {
  Note(*request);
  if (function == nullptr) return grpc::Status(grpc::UNIMPLEMENTED, "");
  return function(*request, context, writer);
}

}  // namespace innkeeper
