#include "server/hosts/serial_relay.h"

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/gate.h"
#include "rpc/status_map.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Console = AgentClient::Console;
using Reactor =
    grpc::ServerBidiReactor<v1::AttachSerialRequest, v1::AttachSerialResponse>;

constexpr absl::Duration kPatience = absl::Seconds(30);

// Consoles that hand each stream to a function.
class Consoles final : public v1::Consoles::CallbackService {
 public:
  using Take = std::function<void(const v1::AttachSerialRequest&,
                                  const CallInfo&, std::shared_ptr<Console>)>;

  Consoles(Gate* gate, Take take) : gate_(*gate), take_(std::move(take)) {}

  Reactor* AttachSerial(grpc::CallbackServerContext* context) override {
    return gate_.Bidi<v1::AttachSerialRequest, v1::AttachSerialResponse>(
        context,
        [this](const Permit&, const CallInfo& info,
               const v1::AttachSerialRequest& first,
               std::shared_ptr<Console> stream) -> absl::Status {
          take_(first, info, std::move(stream));
          return absl::OkStatus();
        });
  }

 private:
  Gate& gate_;
  const Take take_;
};

std::unique_ptr<TestServer> Serve(Consoles::Take take) {
  TestServer::Options options;
  options.services = {"innkeeper.v1.Consoles"};
  options.make = [take = std::move(take)](Gate* gate) {
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(std::make_unique<Consoles>(gate, take));
    return services;
  };
  return std::make_unique<TestServer>(std::move(options));
}

// A client, a server that relays, and an agent.
class SerialRelayTest : public testing::Test {
 protected:
  SerialRelayTest() {
    agent_ =
        Serve([this](const v1::AttachSerialRequest& first, const CallInfo& info,
                     std::shared_ptr<Console> stream) {
          absl::MutexLock lock(&mutex_);
          first_ = first;
          info_ = info;
          at_agent_ = std::move(stream);
        });
    const std::shared_ptr<v1::Consoles::Stub> stub =
        v1::Consoles::NewStub(agent_->Channel("server/s2"));
    server_ = Serve([stub](const v1::AttachSerialRequest& first,
                           const CallInfo&, std::shared_ptr<Console> stream) {
      RelaySerial(stub, "h1", first,
                  {*Principal::Parse("user/alice"), "", "", 3},
                  std::move(stream));
    });
    stub_ = v1::Consoles::NewStub(server_->Channel("user/alice"));
    SetTimeout(&context_, kPatience);
    client_ = stub_->AttachSerial(&context_);
  }

  // The agent's end, once the client has named its guest.
  std::shared_ptr<Console> Attach() {
    v1::AttachSerialRequest first;
    first.set_name("guests/web");
    client_->Write(first);
    absl::MutexLock lock(&mutex_);
    const auto there = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return at_agent_ != nullptr;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience));
    return at_agent_;
  }
  void Type(const std::string& text) {
    v1::AttachSerialRequest request;
    request.set_input(text);
    EXPECT_TRUE(client_->Write(request));
  }
  static v1::AttachSerialResponse Output(const std::string& text) {
    v1::AttachSerialResponse response;
    response.set_output(text);
    return response;
  }
  // Everything that comes until the end.
  std::string ReadAll() {
    std::string all;
    v1::AttachSerialResponse response;
    while (client_->Read(&response)) all += response.output();
    return all;
  }
  absl::Status Finish() { return FromGrpcStatus(client_->Finish()); }

  absl::Mutex mutex_;
  v1::AttachSerialRequest first_ ABSL_GUARDED_BY(mutex_);
  CallInfo info_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Console> at_agent_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<TestServer> agent_;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<v1::Consoles::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachSerialRequest,
                                           v1::AttachSerialResponse>>
      client_;
};

TEST_F(SerialRelayTest, AgentIsToldTheGuestAndForWhomItIs) {
  const auto agent = Attach();
  ASSERT_NE(agent, nullptr);
  agent->Finish(absl::OkStatus());

  EXPECT_EQ(ReadAll(), "");
  EXPECT_THAT(Finish(), IsOk());
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(first_.name(), "guests/web");
  ASSERT_TRUE(info_.delegation.has_value());
  EXPECT_EQ(info_.delegation->caller.ToString(), "user/alice");
  EXPECT_EQ(info_.delegation->fencing_number, 3);
}

TEST_F(SerialRelayTest, ErrorOfTheAgentIsTheClientsWithItsReason) {
  const auto agent = Attach();
  ASSERT_NE(agent, nullptr);
  agent->Write(Output("last words"));
  agent->Finish(Error(absl::StatusCode::kFailedPrecondition,
                      reason::kGuestNotRunning, "guest 'web' has no process"));

  EXPECT_EQ(ReadAll(), "last words");
  EXPECT_THAT(Finish(), AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                                       "guest 'web' has no process"),
                              HasReason(reason::kGuestNotRunning)));
}

TEST_F(SerialRelayTest, WhatIsTypedArrivesInOrderAndThenItsEnd) {
  const auto agent = Attach();
  ASSERT_NE(agent, nullptr);
  absl::Mutex mutex;
  std::string typed;
  agent->SetReadHandler(
      [&](const v1::AttachSerialRequest& request) {
        absl::MutexLock lock(&mutex);
        typed += request.input();
      },
      [agent] { agent->Finish(absl::OkStatus()); });
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    const std::string text = absl::StrCat("line ", i, "\n");
    Type(text);
    expected += text;
  }
  client_->WritesDone();

  ReadAll();

  EXPECT_THAT(Finish(), IsOk());
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(typed, expected);
}

TEST_F(SerialRelayTest, ClientThatDoesNotReadLosesNothing) {
  constexpr int kBlocks = 400;  // 12.5 MiB: beyond every queue on the way.
  const std::string block(32 << 10, 'x');
  const auto agent = Attach();
  ASSERT_NE(agent, nullptr);
  auto sent = std::make_shared<int>(0);
  agent->SetDrainHandler([agent, sent, block] {
    while (*sent < kBlocks && agent->WritePermitted()) {
      agent->Write(Output(block));
      ++*sent;
    }
    if (*sent == kBlocks) agent->Finish(absl::OkStatus());
  });
  agent->Write(Output("first"));

  EXPECT_EQ(ReadAll().size(), 5 + kBlocks * block.size());
  EXPECT_THAT(Finish(), IsOk());
}

TEST_F(SerialRelayTest, ClientThatLeavesEndsTheAgentsStream) {
  const auto agent = Attach();
  ASSERT_NE(agent, nullptr);

  context_.TryCancel();

  const absl::Time limit = absl::Now() + kPatience;
  while (agent->open() && absl::Now() < limit) std::this_thread::yield();
  EXPECT_FALSE(agent->open());
  Finish().IgnoreError();
}

TEST_F(SerialRelayTest, AgentThatDiesEndsTheClientsStream) {
  ASSERT_NE(Attach(), nullptr);

  agent_->gate().core().Drain();

  ReadAll();
  EXPECT_THAT(Finish(), HasReason(reason::kShuttingDown));
}

TEST_F(SerialRelayTest, AgentThatCannotBeReachedIsUnavailable) {
  agent_->runner().Stop(absl::ZeroDuration());
  v1::AttachSerialRequest first;
  first.set_name("guests/web");
  client_->Write(first);

  ReadAll();

  EXPECT_THAT(Finish(), AllOf(StatusIs(absl::StatusCode::kUnavailable,
                                       HasSubstr("host 'h1' did not answer")),
                              HasReason(reason::kHostUnreachable)));
}

}  // namespace
}  // namespace innkeeper
