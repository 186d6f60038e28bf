#include "agent/service/plugin_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "agent/plugin/testing/plugin_conformance.h"
#include "agent/qmp/testing/await.h"
#include "base/event_loop.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/server_context.h"
#include "gtest/gtest.h"
#include "innkeeper/plugin/v1/launch_plugin.grpc.pb.h"

namespace innkeeper {
namespace {

using google::protobuf::Empty;
using plugin::v1::NotifyStartedRequest;
using plugin::v1::NotifyStoppedRequest;
using plugin::v1::ReviewLaunchRequest;
using plugin::v1::ReviewLaunchResponse;
using testing::ElementsAre;
using testing::HasSubstr;

// A reactor that ends with its call, if nobody ends it before.
class Reactor final : public grpc::ServerUnaryReactor {
 public:
  void OnDone() override { delete this; }
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
};

class Service final : public plugin::v1::LaunchPlugin::CallbackService {
 public:
  grpc::ServerUnaryReactor* ReviewLaunch(
      grpc::CallbackServerContext* /*context*/,
      const ReviewLaunchRequest* request,
      ReviewLaunchResponse* response) override {
    absl::MutexLock lock(&mutex_);
    std::string stage = plugin::v1::Stage_Name(request->stage());
    for (char& c : stage) c = static_cast<char>(tolower(c));
    heard_.push_back(absl::StrCat(stage, " ", request->guest().name().substr(7),
                                  " ", request->caller()));
    last_ = *request;
    *response = answer_;
    return Answer();
  }
  grpc::ServerUnaryReactor* NotifyStarted(
      grpc::CallbackServerContext* /*context*/,
      const NotifyStartedRequest* request, Empty* /*response*/) override {
    absl::MutexLock lock(&mutex_);
    heard_.push_back(
        absl::StrCat("started ", request->guest().name().substr(7)));
    return Answer();
  }
  grpc::ServerUnaryReactor* NotifyStopped(
      grpc::CallbackServerContext* /*context*/,
      const NotifyStoppedRequest* request, Empty* /*response*/) override {
    absl::MutexLock lock(&mutex_);
    heard_.push_back(
        absl::StrCat("stopped ", request->guest().name().substr(7)));
    return Answer();
  }

  void SetAnswer(ReviewLaunchResponse answer) {
    absl::MutexLock lock(&mutex_);
    answer_ = std::move(answer);
  }
  void Hang() {
    absl::MutexLock lock(&mutex_);
    hangs_ = true;
  }
  std::vector<std::string> heard() {
    absl::MutexLock lock(&mutex_);
    return heard_;
  }
  ReviewLaunchRequest last() {
    absl::MutexLock lock(&mutex_);
    return last_;
  }

 private:
  grpc::ServerUnaryReactor* Answer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto* reactor = new Reactor;
    if (!hangs_) reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  absl::Mutex mutex_;
  ReviewLaunchResponse answer_ ABSL_GUARDED_BY(mutex_);
  ReviewLaunchRequest last_ ABSL_GUARDED_BY(mutex_);
  bool hangs_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> heard_ ABSL_GUARDED_BY(mutex_);
};

std::string MakeDirectory() {
  char path[] = "/tmp/plugin-XXXXXX";
  EXPECT_NE(mkdtemp(path), nullptr);
  return path;
}

// A plugin of root's in this process, and the way to it.
class RealPlugin final : public PluginUnderTest {
 public:
  explicit RealPlugin(absl::Duration deadline)
      : directory_(MakeDirectory()), client_(&loop_, "hosts/h1") {
    config_.name = "real";
    config_.socket = directory_ + "/socket";
    config_.deadline = deadline;
    plugin_ = client_.Make(config_);
    Serve();
  }
  ~RealPlugin() override {
    GoAway();
    unlink(config_.socket.c_str());
    rmdir(directory_.c_str());
  }

  void Serve() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + config_.socket,
                             grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  Service& service() { return service_; }
  const PluginConfig& config() const { return config_; }
  PluginClient& client() { return client_; }

  EventLoop& loop() override { return loop_; }
  LaunchPlugin& plugin() override { return *plugin_; }
  void SetAnswer(const PluginAnswer& answer) override {
    ReviewLaunchResponse response;
    if (answer.kind == PluginAnswer::Kind::kDeny) {
      for (const std::string& reason : answer.reasons) {
        response.mutable_deny()->add_reasons(reason);
      }
    }
    if (answer.kind == PluginAnswer::Kind::kPatch) {
      ReviewLaunchResponse::Patch* patch = response.mutable_patch();
      patch->mutable_labels()->insert(answer.patch.labels.begin(),
                                      answer.patch.labels.end());
      patch->set_memory_bytes(answer.patch.memory_bytes);
      patch->set_vcpu_count(answer.patch.vcpu_count);
      patch->set_kernel_command_line_suffix(
          answer.patch.kernel_command_line_suffix);
    }
    service_.SetAnswer(response);
  }
  void Hang() override { service_.Hang(); }
  void GoAway() override {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  std::vector<std::string> Heard() override { return service_.heard(); }

  absl::StatusOr<PluginAnswer> Ask(const PluginConfig& config,
                                   const PluginQuestion& question) {
    const std::shared_ptr<LaunchPlugin> plugin = client_.Make(config);
    return Await<absl::StatusOr<PluginAnswer>>(
        &loop_, [&](Completion<PluginAnswer> done) {
          plugin->Review(question, std::move(done));
        });
  }
  absl::StatusOr<PluginAnswer> Ask() { return Ask(config_, PluginQuestion()); }

 private:
  const std::string directory_;
  EventLoop loop_{"real"};
  Service service_;
  PluginConfig config_;
  PluginClient client_;
  std::shared_ptr<LaunchPlugin> plugin_;
  std::unique_ptr<grpc::Server> server_;
};

std::unique_ptr<PluginUnderTest> MakeRealPlugin(absl::Duration deadline) {
  return std::make_unique<RealPlugin>(deadline);
}

INSTANTIATE_TEST_SUITE_P(Real, PluginConformanceTest,
                         testing::Values(MakeRealPlugin));

// Whoever connects is treated by `treat`, which gets the connection.
class RawPlugin {
 public:
  explicit RawPlugin(std::function<void(int)> treat)
      : directory_(MakeDirectory()),
        treat_(std::move(treat)),
        listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path().c_str(), path().size() + 1);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)),
              0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    thread_ = std::thread([this] {
      for (;;) {
        const UniqueFd fd(
            accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd.valid()) return;
        treat_(fd.get());
      }
    });
  }
  ~RawPlugin() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    unlink(path().c_str());
    rmdir(directory_.c_str());
  }

  std::string path() const { return directory_ + "/socket"; }

  absl::StatusOr<PluginAnswer> Ask(const PluginQuestion& question = {}) {
    PluginConfig config;
    config.name = "raw";
    config.socket = path();
    config.deadline = absl::Milliseconds(300);
    return host_.Ask(config, question);
  }

 private:
  const std::string directory_;
  RealPlugin host_{absl::Seconds(10)};  // For its loop and client.
  std::function<void(int)> treat_;
  UniqueFd listener_;
  std::thread thread_;
};

// Reads not a byte until the other end hangs up.
void AwaitHangUp(int fd) {
  pollfd hang_up = {fd, POLLRDHUP, 0};
  poll(&hang_up, 1, 20000);
}

TEST(PluginClientTest, QuestionCarriesAllThatIsKnown) {
  RealPlugin plugin(absl::Seconds(10));
  PluginQuestion question;
  question.stage = PluginStage::kArgv;
  question.guest.id = "web";
  question.guest.owner = "user/ada";
  question.guest.spec.labels = {{"project", "x"}};
  question.guest.spec.memory_bytes = kMinMemoryBytes;
  question.caller = "user/op";
  question.restart = true;
  question.dry_run = true;
  question.argv = {"qemu", "-S"};
  question.descriptors = {"5: monitor"};

  ASSERT_THAT(plugin.Ask(plugin.config(), question), IsOk());

  const ReviewLaunchRequest request = plugin.service().last();
  EXPECT_EQ(request.stage(), plugin::v1::ARGV);
  EXPECT_EQ(request.guest().name(), "guests/web");
  EXPECT_EQ(request.guest().owner(), "user/ada");
  EXPECT_EQ(request.guest().labels().at("project"), "x");
  EXPECT_EQ(request.guest().spec().memory_bytes(), kMinMemoryBytes);
  EXPECT_EQ(request.caller(), "user/op");
  EXPECT_EQ(request.host(), "hosts/h1");
  EXPECT_TRUE(request.restart());
  EXPECT_TRUE(request.dry_run());
  EXPECT_THAT(request.argv(), ElementsAre("qemu", "-S"));
  EXPECT_THAT(request.descriptors(), ElementsAre("5: monitor"));
}

TEST(PluginClientTest, PluginOfAnotherUserIsNotAsked) {
  RealPlugin plugin(absl::Seconds(10));
  PluginConfig config = plugin.config();
  config.uid = 12345;

  EXPECT_THAT(plugin.Ask(config, PluginQuestion()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("uid 0")));
  EXPECT_THAT(plugin.Heard(), testing::IsEmpty());
}

TEST(PluginClientTest, PluginThatComesBackIsAskedAgain) {
  RealPlugin plugin(absl::Seconds(10));
  ASSERT_THAT(plugin.Ask(), IsOk());

  plugin.GoAway();
  const absl::StatusOr<PluginAnswer> meanwhile = plugin.Ask();
  plugin.Serve();

  EXPECT_THAT(meanwhile, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(plugin.Ask(), IsOk());
}

TEST(PluginClientTest, WhatCannotBePatchedIsNamed) {
  RealPlugin plugin(absl::Seconds(10));
  ReviewLaunchResponse response;
  response.mutable_patch()->add_networks()->set_network("networks/lan");
  response.mutable_patch()->set_context("contexts/c");
  response.mutable_patch()
      ->GetReflection()
      ->MutableUnknownFields(response.mutable_patch())
      ->AddVarint(99, 1);
  plugin.service().SetAnswer(response);

  const absl::StatusOr<PluginAnswer> answer = plugin.Ask();

  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->patch.unsupported,
              ElementsAre("networks", "context", "what it does not know"));
}

TEST(PluginClientTest, VerdictOfALaterVersionIsNoConsent) {
  RealPlugin plugin(absl::Seconds(10));
  ReviewLaunchResponse response;
  response.GetReflection()->MutableUnknownFields(&response)->AddVarint(99, 1);
  plugin.service().SetAnswer(response);

  EXPECT_THAT(plugin.Ask(), StatusIs(absl::StatusCode::kUnavailable,
                                     HasSubstr("unknown here")));
}

TEST(PluginClientTest, AnswerThatIsTooLargeIsNotTaken) {
  RealPlugin plugin(absl::Seconds(10));
  ReviewLaunchResponse response;
  response.mutable_deny()->add_reasons(
      std::string(PluginClient::kMaxAnswerBytes, 'x'));
  plugin.service().SetAnswer(response);

  EXPECT_THAT(plugin.Ask(), StatusIs(absl::StatusCode::kUnavailable,
                                     HasSubstr("larger than max")));
}

TEST(PluginClientTest, PluginThatDiesMidwayIsUnavailable) {
  RawPlugin plugin([](int fd) {
    char byte = 0;
    EXPECT_EQ(read(fd, &byte, 1), 1);
  });

  EXPECT_THAT(plugin.Ask(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(PluginClientTest, GarbageIsUnavailable) {
  RawPlugin plugin([](int fd) {
    const std::string garbage(4096, '\xff');
    EXPECT_GT(send(fd, garbage.data(), garbage.size(), MSG_NOSIGNAL), 0);
    AwaitHangUp(fd);
  });

  EXPECT_THAT(plugin.Ask(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(PluginClientTest, PluginThatDoesNotReadIsGivenUpAtItsDeadline) {
  RawPlugin plugin(AwaitHangUp);
  PluginQuestion question;
  question.argv.assign(64, std::string(32 << 10, 'x'));

  EXPECT_THAT(plugin.Ask(question),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PluginClientTest, WhatIsBeingAskedEndsWithTheClient) {
  RealPlugin plugin(absl::Seconds(10));
  plugin.Hang();
  auto client = std::make_unique<PluginClient>(&plugin.loop(), "hosts/h1");
  absl::Status status;
  absl::Notification done;
  plugin.loop().PostAndWait([&] {
    client->Make(plugin.config())
        ->Review(PluginQuestion(), [&](absl::StatusOr<PluginAnswer> answer) {
          status = answer.status();
          done.Notify();
        });
  });

  client.reset();

  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace innkeeper
