#include "rpc/health_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

HealthService::HealthService(Gate* gate,
                             const std::vector<std::string>& services)
    : gate_(gate) {
  absl::MutexLock lock(&mutex_);
  serving_[""] = false;
  for (const std::string& service : services) serving_[service] = false;
}

void HealthService::SetServing(absl::string_view service, bool serving) {
  std::vector<std::shared_ptr<Writer>> tell;
  Response state;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = serving_.find(service);
    if (it == serving_.end() || it->second == serving) return;
    it->second = serving;
    state = StateOf(service);
    watchers_.erase(
        std::remove_if(watchers_.begin(), watchers_.end(),
                       [](const auto& w) { return w.second.expired(); }),
        watchers_.end());
    for (const auto& [name, weak] : watchers_) {
      std::shared_ptr<Writer> writer = weak.lock();
      if (name == service && writer != nullptr) tell.push_back(writer);
    }
  }
  for (const auto& writer : tell) writer->Write(state);
}

void HealthService::SetAllServing(bool serving) {
  std::vector<std::string> names;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, unused] : serving_) names.push_back(name);
  }
  for (const std::string& name : names) SetServing(name, serving);
}

grpc::ServerUnaryReactor* HealthService::Check(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request,
    HealthCheckResponse* response) {
  return gate_->Unary(
      context, request, response,
      [&](const Permit&) -> absl::StatusOr<HealthCheckResponse> {
        absl::MutexLock lock(&mutex_);
        if (!serving_.contains(request->service())) {
          return Error(absl::StatusCode::kNotFound, reason::kServiceUnknown,
                       absl::StrCat("service '", request->service(),
                                    "' is not served here"))
              .With("service", request->service())
              .Build();
        }
        return StateOf(request->service());
      });
}

grpc::ServerUnaryReactor* HealthService::List(
    grpc::CallbackServerContext* context,
    const grpc::health::v1::HealthListRequest* request,
    grpc::health::v1::HealthListResponse* response) {
  using ListResponse = grpc::health::v1::HealthListResponse;
  return gate_->Unary(context, request, response,
                      [&](const Permit&) -> absl::StatusOr<ListResponse> {
                        ListResponse answer;
                        absl::MutexLock lock(&mutex_);
                        for (const auto& [name, unused] : serving_) {
                          (*answer.mutable_statuses())[name] = StateOf(name);
                        }
                        return answer;
                      });
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request) {
  return gate_->ServerStream<HealthCheckResponse>(
      context, request,
      [&](const Permit&, std::shared_ptr<Writer> writer) -> absl::Status {
        absl::MutexLock lock(&mutex_);
        // Under the lock, so that no change slips in between.
        watchers_.emplace_back(request->service(), writer);
        writer->Write(StateOf(request->service()));
        return absl::OkStatus();
      });
}

HealthCheckResponse HealthService::StateOf(absl::string_view service) const {
  Response response;
  const auto it = serving_.find(service);
  response.set_status(it == serving_.end() ? Response::SERVICE_UNKNOWN
                      : it->second         ? Response::SERVING
                                           : Response::NOT_SERVING);
  return response;
}

}  // namespace innkeeper
