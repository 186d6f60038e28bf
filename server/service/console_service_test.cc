#include "server/service/console_service.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::IsEmpty;

class ConsoleServiceTest : public testing::Test {
 protected:
  ConsoleServiceTest() {
    cluster_.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
    EXPECT_TRUE(cluster_.AwaitGuest("guests/web"));
    SetTimeout(&context_, TestCluster::kPatience);
  }

  void Attach(const std::string& caller, const std::string& name,
              bool read_only = false) {
    stub_ = std::make_unique<v1::Consoles::Stub>(cluster_.Channel(caller));
    stream_ = stub_->AttachSerial(&context_);
    v1::AttachSerialRequest first;
    first.set_name(name);
    first.set_read_only(read_only);
    stream_->Write(first);
  }
  // The agent's end.
  FakeAgent::Attached TakeAttached(FakeAgent& agent) {
    EXPECT_TRUE(cluster_.Await([&] { return !agent.attached().empty(); }));
    return agent.attached().at(0);
  }
  absl::Status Finish() {
    v1::AttachSerialResponse response;
    while (stream_->Read(&response)) {
    }
    return FromGrpcStatus(stream_->Finish());
  }

  TestCluster cluster_;
  std::unique_ptr<v1::Consoles::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachSerialRequest,
                                           v1::AttachSerialResponse>>
      stream_;
};

TEST_F(ConsoleServiceTest, ForeignConsoleIsAbsent) {
  Attach("user/bob", "guests/web");

  EXPECT_THAT(Finish(), AllOf(StatusIs(absl::StatusCode::kNotFound,
                                       "guest 'web' does not exist"),
                              HasReason(reason::kGuestNotFound)));
  EXPECT_THAT(cluster_.h1().attached(), IsEmpty());
}

TEST_F(ConsoleServiceTest, CallerWithoutARoleIsDenied) {
  Attach("service/ci", "guests/web");

  EXPECT_THAT(Finish(), AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                              HasReason(reason::kPermissionDenied)));
  EXPECT_THAT(cluster_.h1().attached(), IsEmpty());
}

TEST_F(ConsoleServiceTest, ConsoleOfAHostThatIsAwayIsUnavailable) {
  TestCluster::Options options;
  options.silence = absl::Seconds(1);
  TestCluster cluster(options);
  cluster.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
  ASSERT_TRUE(cluster.AwaitGuest("guests/web"));
  cluster.h1().SetUnreachable(true);
  ASSERT_TRUE(cluster.AwaitHost("h1", v1::Host::UNREACHABLE));
  stub_ = std::make_unique<v1::Consoles::Stub>(cluster.Channel("user/alice"));
  stream_ = stub_->AttachSerial(&context_);
  v1::AttachSerialRequest first;
  first.set_name("guests/web");
  stream_->Write(first);

  EXPECT_THAT(Finish(), AllOf(StatusIs(absl::StatusCode::kUnavailable),
                              HasReason(reason::kHostUnreachable)));
  stream_ = nullptr;
  stub_ = nullptr;
}

TEST_F(ConsoleServiceTest, ConsoleIsAttachedAtTheHostForItsCaller) {
  Attach("user/alice", "guests/web", /*read_only=*/true);
  const FakeAgent::Attached console = TakeAttached(cluster_.h1());
  ASSERT_NE(console.stream, nullptr);

  EXPECT_EQ(console.first.name(), "guests/web");
  EXPECT_TRUE(console.first.read_only());
  EXPECT_EQ(console.delegation.caller.ToString(), "user/alice");
  EXPECT_EQ(console.delegation.guest_uid, MakeTestGuest("web", 'a', "").uid());
  EXPECT_EQ(console.delegation.fencing_number,
            cluster_.inventory().FencingNumber("h1"));
  EXPECT_EQ(console.delegation.operation, "");
  console.stream->Finish(absl::OkStatus());
  EXPECT_THAT(Finish(), IsOk());
}

TEST_F(ConsoleServiceTest, GuestOfASharedIdIsNamedAsItsHostKnowsIt) {
  cluster_.h2().AddGuest(MakeTestGuest("web", 'b', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web-bbbbbb"));

  Attach("user/alice", "guests/web-bbbbbb");
  const FakeAgent::Attached console = TakeAttached(cluster_.h2());
  ASSERT_NE(console.stream, nullptr);

  EXPECT_EQ(console.first.name(), "guests/web");
  EXPECT_EQ(console.delegation.guest_uid, MakeTestGuest("web", 'b', "").uid());
  console.stream->Finish(absl::OkStatus());
  EXPECT_THAT(Finish(), IsOk());
}

TEST_F(ConsoleServiceTest, WhatTheHostSaysReachesTheCaller) {
  Attach("user/alice", "guests/web");
  const FakeAgent::Attached console = TakeAttached(cluster_.h1());
  ASSERT_NE(console.stream, nullptr);
  v1::AttachSerialResponse output;
  output.set_output("login: ");
  ASSERT_TRUE(console.stream->Write(output));
  console.stream->Finish(Error(absl::StatusCode::kResourceExhausted,
                               reason::kConsoleBusy, "too many are attached"));

  v1::AttachSerialResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.output(), "login: ");
  EXPECT_THAT(Finish(), AllOf(StatusIs(absl::StatusCode::kResourceExhausted,
                                       "too many are attached"),
                              HasReason(reason::kConsoleBusy)));
}

TEST_F(ConsoleServiceTest, WhatTheCallerTypesReachesTheHost) {
  Attach("user/alice", "guests/web");
  const FakeAgent::Attached console = TakeAttached(cluster_.h1());
  ASSERT_NE(console.stream, nullptr);
  absl::Mutex mutex;
  std::string typed;
  console.stream->SetReadHandler(
      [&](const v1::AttachSerialRequest& request) {
        absl::MutexLock lock(&mutex);
        typed += request.input();
      },
      [stream = console.stream] { stream->Finish(absl::OkStatus()); });

  for (const char* text : {"ro", "ot", "\n"}) {
    v1::AttachSerialRequest request;
    request.set_input(text);
    ASSERT_TRUE(stream_->Write(request));
  }
  stream_->WritesDone();

  EXPECT_THAT(Finish(), IsOk());
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(typed, "root\n");
}

}  // namespace
}  // namespace innkeeper
