#include "agent/service/plugin_client.h"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/plugin/plugin_socket.h"
#include "agent/service/convert.h"
#include "base/unique_fd.h"
#include "google/protobuf/empty.pb.h"
#include "google/protobuf/unknown_field_set.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/support/channel_arguments.h"
#include "innkeeper/plugin/v1/launch_plugin.grpc.pb.h"
#include "rpc/channel.h"

namespace innkeeper {
namespace {

using Request = plugin::v1::ReviewLaunchRequest;
using Response = plugin::v1::ReviewLaunchResponse;
using Service = plugin::v1::LaunchPlugin;

constexpr int kMaxMetadataBytes = 8 << 10;

plugin::v1::Stage ToStage(PluginStage stage) {
  switch (stage) {
    case PluginStage::kAdmit:
      return plugin::v1::ADMIT;
    case PluginStage::kPrepare:
      return plugin::v1::PREPARE;
    case PluginStage::kArgv:
      return plugin::v1::ARGV;
    case PluginStage::kStarted:
    case PluginStage::kStopped:
      break;
  }
  return plugin::v1::STAGE_UNSPECIFIED;
}

Request ToRequest(const PluginQuestion& question, const std::string& host) {
  Request request;
  request.set_stage(ToStage(question.stage));
  *request.mutable_guest() = ToGuest(question.guest, host, false, "");
  request.set_caller(question.caller);
  request.set_host(host);
  request.set_restart(question.restart);
  request.set_dry_run(question.dry_run);
  for (const std::string& argument : question.argv) request.add_argv(argument);
  for (const std::string& fd : question.descriptors) {
    request.add_descriptors(fd);
  }
  return request;
}

template <typename Message>
bool HasUnknownFields(const Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

PluginPatch ToPatch(const Response::Patch& message) {
  PluginPatch patch;
  patch.labels.insert(message.labels().begin(), message.labels().end());
  patch.memory_bytes = message.memory_bytes();
  patch.vcpu_count = message.vcpu_count();
  patch.kernel_command_line_suffix = message.kernel_command_line_suffix();
  if (message.networks_size() != 0) patch.unsupported.push_back("networks");
  if (!message.context().empty()) patch.unsupported.push_back("context");
  if (HasUnknownFields(message)) {
    patch.unsupported.push_back("what it does not know");
  }
  return patch;
}

absl::StatusOr<PluginAnswer> ToAnswer(const Response& response) {
  PluginAnswer answer;
  switch (response.verdict_case()) {
    case Response::kDeny:
      answer.kind = PluginAnswer::Kind::kDeny;
      answer.reasons.assign(response.deny().reasons().begin(),
                            response.deny().reasons().end());
      return answer;
    case Response::kPatch:
      answer.kind = PluginAnswer::Kind::kPatch;
      answer.patch = ToPatch(response.patch());
      return answer;
    case Response::kAllow:
      return answer;
    case Response::VERDICT_NOT_SET:
      break;
  }
  // A verdict of a later version is no silence.
  if (HasUnknownFields(response)) {
    return absl::UnavailableError("its verdict is of a kind unknown here");
  }
  return answer;
}

// The codes that callers tell apart; the plugin's details are not believed.
absl::Status ToStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code == absl::StatusCode::kDeadlineExceeded ||
      code == absl::StatusCode::kCancelled) {
    return absl::Status(code, status.error_message());
  }
  return absl::UnavailableError(absl::StrCat(absl::StatusCodeToString(code),
                                             ": ", status.error_message()));
}

}  // namespace

// What is being asked.
struct PluginClient::Calls {
  absl::Mutex mutex;
  std::set<grpc::ClientContext*> open ABSL_GUARDED_BY(mutex);

  void Add(grpc::ClientContext* context) ABSL_LOCKS_EXCLUDED(mutex) {
    absl::MutexLock lock(&mutex);
    open.insert(context);
  }
  void Remove(grpc::ClientContext* context) ABSL_LOCKS_EXCLUDED(mutex) {
    absl::MutexLock lock(&mutex);
    open.erase(context);
  }
  bool Empty() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return open.empty();
  }
};

class PluginClient::Plugin final : public LaunchPlugin {
 public:
  Plugin(EventLoop* loop, std::string host, std::shared_ptr<Calls> calls,
         PluginConfig config)
      : loop_(loop),
        host_(std::move(host)),
        calls_(std::move(calls)),
        config_(std::move(config)) {}

  const PluginConfig& config() const override { return config_; }

  Abort Review(const PluginQuestion& question,
               Completion<PluginAnswer> done) override {
    auto call = std::make_shared<Call<Request, Response>>();
    call->request = ToRequest(question, host_);
    call->done = [done = std::move(done)](const absl::Status& status,
                                          const Response& response) mutable {
      if (!status.ok()) return done(status);
      done(ToAnswer(response));
    };
    Begin(call, [](Service::Stub& stub, auto&... parts) {
      stub.async()->ReviewLaunch(parts...);
    });
    return [call] {
      if (!call->ended) call->context.TryCancel();
    };
  }

  void Notify(const PluginNotice& notice, StatusCompletion done) override {
    const v1::Guest guest = ToGuest(notice.guest, host_, false, "");
    if (notice.started) {
      Tell<plugin::v1::NotifyStartedRequest>(
          guest, std::move(done), [](Service::Stub& stub, auto&... parts) {
            stub.async()->NotifyStarted(parts...);
          });
    } else {
      Tell<plugin::v1::NotifyStoppedRequest>(
          guest, std::move(done), [](Service::Stub& stub, auto&... parts) {
            stub.async()->NotifyStopped(parts...);
          });
    }
  }

 private:
  template <typename Question, typename Answer>
  struct Call {
    grpc::ClientContext context;
    Question request;
    Answer response;
    std::unique_ptr<Service::Stub> stub;
    absl::AnyInvocable<void(const absl::Status&, const Answer&)> done;
    bool ended = false;  // Used on the loop only.
  };

  template <typename Notice, typename Start>
  void Tell(const v1::Guest& guest, StatusCompletion done, Start start) {
    using google::protobuf::Empty;
    auto call = std::make_shared<Call<Notice, Empty>>();
    *call->request.mutable_guest() = guest;
    call->done = [done = std::move(done)](const absl::Status& status,
                                          const Empty&) mutable {
      done(status);
    };
    Begin(call, start);
  }

  // Connects and calls; the answer goes to the loop.
  template <typename CallType, typename Start>
  void Begin(const std::shared_ptr<CallType>& call, Start start) {
    absl::StatusOr<UniqueFd> fd = ConnectPlugin(config_);
    if (!fd.ok()) {
      loop_->Post([call, status = fd.status()] { End(call.get(), status); });
      return;
    }
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
    arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    // gRPC closes the descriptor.
    call->stub = Service::NewStub(grpc::CreateCustomInsecureChannelFromFd(
        config_.name, fd->release(), arguments));
    SetTimeout(&call->context, config_.deadline);
    calls_->Add(&call->context);
    const auto* request = &call->request;
    auto* response = &call->response;
    auto* context = &call->context;
    std::function<void(grpc::Status)> answered =
        [loop = loop_, calls = calls_, call](const grpc::Status& status) {
          loop->Post([call, status] { End(call.get(), ToStatus(status)); });
          calls->Remove(&call->context);
        };
    start(*call->stub, context, request, response, answered);
  }

  template <typename CallType>
  static void End(CallType* call, const absl::Status& status) {
    call->ended = true;
    call->done(status, call->response);
  }

  EventLoop* const loop_;
  const std::string host_;
  const std::shared_ptr<Calls> calls_;
  const PluginConfig config_;
};

PluginClient::PluginClient(EventLoop* loop, std::string host)
    : loop_(loop), host_(std::move(host)), calls_(std::make_shared<Calls>()) {}

PluginClient::~PluginClient() {
  absl::MutexLock lock(&calls_->mutex);
  for (grpc::ClientContext* context : calls_->open) context->TryCancel();
  calls_->mutex.Await(absl::Condition(calls_.get(), &Calls::Empty));
}

std::shared_ptr<LaunchPlugin> PluginClient::Make(const PluginConfig& config) {
  return std::make_shared<Plugin>(loop_, host_, calls_, config);
}

}  // namespace innkeeper
