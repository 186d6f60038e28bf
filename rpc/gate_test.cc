#include "rpc/gate.h"

#include <fcntl.h>

#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "auth/delegation.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/consoles.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"
#include "rpc/testing/fake_services.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

class GateTest : public testing::Test {
 protected:
  void Start(std::string deny_list_path = "") {
    TestServer::Options options;
    options.services = {"innkeeper.v1.Guests", "innkeeper.v1.Consoles"};
    options.listen_unix = true;
    options.deny_list_path = std::move(deny_list_path);
    options.make = [this](Gate* gate) {
      auto guests = std::make_unique<FakeGuests>(gate);
      guests_ = guests.get();
      std::vector<std::unique_ptr<grpc::Service>> services;
      services.push_back(std::move(guests));
      services.push_back(std::make_unique<EchoConsoles>(gate));
      return services;
    };
    server_ = std::make_unique<TestServer>(std::move(options));
  }
  void SetUp() override { Start(); }

  static absl::Status Get(const std::shared_ptr<grpc::Channel>& channel,
                          const std::string& name, v1::Guest* guest = nullptr,
                          const std::vector<std::string>& delegations = {}) {
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    for (const std::string& delegation : delegations) {
      context.AddMetadata(kDelegationKey, delegation);
    }
    v1::GetGuestRequest request;
    request.set_name(name);
    v1::Guest ignored;
    return FromGrpcStatus(v1::Guests::NewStub(channel)->GetGuest(
        &context, request, guest == nullptr ? &ignored : guest));
  }
  static absl::Status Launch(const std::shared_ptr<grpc::Channel>& channel,
                             const v1::LaunchGuestRequest& request) {
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    google::longrunning::Operation operation;
    return FromGrpcStatus(v1::Guests::NewStub(channel)->LaunchGuest(
        &context, request, &operation));
  }
  static std::string DelegationFor(absl::string_view caller) {
    return SerializeDelegation({*Principal::Parse(caller), "", "", 7});
  }

  std::unique_ptr<TestServer> server_;
  FakeGuests* guests_ = nullptr;
};

TEST_F(GateTest, OwnerReachesItsOwnGuest) {
  v1::Guest guest;
  ASSERT_THAT(Get(server_->Channel("user/alice"), "guests/web", &guest),
              IsOk());
  EXPECT_EQ(guest.requested_by(), "user/alice");
  EXPECT_EQ(guests_->last_info().method, "innkeeper.v1.Guests/GetGuest");
}

TEST_F(GateTest, ForeignGuestIsAbsentInTheSameWordsAsNone) {
  const auto channel = server_->Channel("user/alice");

  const absl::Status foreign = Get(channel, "guests/db");
  const absl::Status absent = Get(channel, "guests/no");

  EXPECT_THAT(foreign, StatusIs(absl::StatusCode::kNotFound,
                                "guest 'db' does not exist"));
  EXPECT_THAT(absent, StatusIs(absl::StatusCode::kNotFound,
                               "guest 'no' does not exist"));
  EXPECT_THAT(foreign, HasReason(reason::kGuestNotFound));
  EXPECT_EQ(guests_->reached(), 0);
}

TEST_F(GateTest, CallerWithoutARoleIsDenied) {
  EXPECT_THAT(Get(server_->Channel("service/ci"), "guests/web"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Get(server_->Channel("host/h1"), "guests/web"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Get(server_->Channel("gateway/g1"), "guests/web"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(guests_->reached(), 0);
}

TEST_F(GateTest, DenialComesBeforeValidation) {
  v1::LaunchGuestRequest request;
  request.set_guest_id("Not An Id");
  EXPECT_THAT(Launch(server_->Channel("user/watcher2"), request),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Launch(server_->Channel("service/ci"), request),
              StatusIs(absl::StatusCode::kPermissionDenied));
  request.mutable_guest()->set_owner("user/bob");
  EXPECT_THAT(Launch(server_->Channel("user/alice"), request),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(GateTest, EveryViolationIsNamedAtOnce) {
  v1::LaunchGuestRequest request;
  request.set_guest_id("Web!");
  request.set_request_id("1");
  request.set_host("h1");
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_vcpu_count(65);
  spec.set_memory_bytes(17);
  spec.add_disks()->set_volume("/etc/shadow");

  const absl::Status status = Launch(server_->Channel("user/alice"), request);

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(status, HasReason(reason::kInvalidRequest));
  std::vector<std::string> fields;
  for (const FieldViolation& v : DetailsOf(status).fields) {
    fields.push_back(v.field);
  }
  EXPECT_THAT(fields,
              testing::UnorderedElementsAre(
                  "guest_id", "request_id", "host", "guest.spec.vcpu_count",
                  "guest.spec.memory_bytes", "guest.spec.disks[0].volume",
                  "guest.spec.disks[0].format", "guest.spec.disks[0].mode"));
  EXPECT_EQ(guests_->reached(), 0);
}

TEST_F(GateTest, DelegationFromAUserIsRefused) {
  const absl::Status status = Get(server_->Channel("user/root"), "guests/db",
                                  nullptr, {DelegationFor("user/bob")});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(status, HasReason(reason::kDelegationRefused));
  EXPECT_EQ(guests_->reached(), 0);
}

TEST_F(GateTest, DelegationFromAServerActsForTheCallerOnly) {
  const auto channel = server_->Channel("server/s2");
  v1::Guest guest;
  ASSERT_THAT(Get(channel, "guests/web", &guest, {DelegationFor("user/alice")}),
              IsOk());
  EXPECT_EQ(guest.requested_by(), "user/alice");
  ASSERT_TRUE(guests_->last_info().delegation.has_value());
  EXPECT_EQ(guests_->last_info().delegation->fencing_number, 7);
  EXPECT_THAT(Get(channel, "guests/db", nullptr, {DelegationFor("user/alice")}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(GateTest, TwoDelegationsOrGarbageAreRefused) {
  const auto channel = server_->Channel("server/s2");
  EXPECT_THAT(Get(channel, "guests/web", nullptr,
                  {DelegationFor("user/alice"), DelegationFor("user/alice")}),
              HasReason(reason::kDelegationRefused));
  for (const std::string& garbage :
       {std::string(""), std::string("\xff\xff\x01"), std::string(5000, 'x'),
        DelegationFor("user/alice") + std::string(1, '\0')}) {
    EXPECT_THAT(Get(channel, "guests/web", nullptr, {garbage}),
                HasReason(reason::kDelegationRefused));
  }
  EXPECT_EQ(guests_->reached(), 0);
}

TEST_F(GateTest, DelegatedLocalCallerOfThisMachineIsNobody) {
  EXPECT_THAT(Get(server_->Channel("server/s2"), "guests/web", nullptr,
                  {DelegationFor("local/h1/0")}),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(GateTest, ExpiryOnAnOpenConnectionRefusesTheNextCall) {
  const auto channel = server_->Channel("user/alice");
  ASSERT_THAT(Get(channel, "guests/web"), IsOk());

  server_->clock().Advance(absl::Hours(48));

  const absl::Status status = Get(channel, "guests/web");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(status, HasReason(reason::kCertificateRefused));
  EXPECT_EQ(guests_->reached(), 1);
}

TEST_F(GateTest, UnixCallerIsKnownByItsUid) {
  v1::Guest guest;
  const absl::Status status = Get(server_->LocalChannel(), "guests/db", &guest);
  if (getuid() == 0) {
    ASSERT_THAT(status, IsOk());
    EXPECT_EQ(guest.requested_by(), "local/h1/0");
  } else {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("local/h1/", getuid())));
  }
}

TEST_F(GateTest, ListIsServedFromBytes) {
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  v1::ListGuestsResponse response;
  ASSERT_THAT(FromGrpcStatus(v1::Guests::NewStub(server_->Channel("user/alice"))
                                 ->ListGuests(&context, v1::ListGuestsRequest(),
                                              &response)),
              IsOk());
  ASSERT_EQ(response.guests_size(), 1);
  EXPECT_EQ(response.guests(0).name(), "guests/web");
}

TEST_F(GateTest, UnwrittenMethodIsUnimplemented) {
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  v1::PauseGuestRequest request;
  request.set_name("guests/web");
  v1::Guest guest;
  EXPECT_EQ(v1::Guests::NewStub(server_->Channel("user/root"))
                ->PauseGuest(&context, request, &guest)
                .error_code(),
            grpc::UNIMPLEMENTED);
}

TEST_F(GateTest, AsyncAnswerArrivesFromAnotherThread) {
  const auto channel = server_->Channel("user/alice");
  absl::Status status;
  google::longrunning::Operation operation;
  std::thread client([&] {
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    v1::StopGuestRequest request;
    request.set_name("guests/web");
    status = FromGrpcStatus(
        v1::Guests::NewStub(channel)->StopGuest(&context, request, &operation));
  });
  Completion<google::longrunning::Operation> done = guests_->TakePending();
  ASSERT_TRUE(done);
  google::longrunning::Operation answer;
  answer.set_name("operations/x");
  done(answer);
  client.join();
  EXPECT_THAT(status, IsOk());
  EXPECT_EQ(operation.name(), "operations/x");
}

TEST_F(GateTest, AsyncAnswerAfterTheDeadlineIsDropped) {
  const auto channel = server_->Channel("user/alice");
  absl::Status status;
  std::thread client([&] {
    grpc::ClientContext context;
    v1::StopGuestRequest request;
    request.set_name("guests/web");
    google::longrunning::Operation operation;
    status = FromGrpcStatus(
        v1::Guests::NewStub(channel)->StopGuest(&context, request, &operation));
  });
  Completion<google::longrunning::Operation> done = guests_->TakePending();
  ASSERT_TRUE(done);
  server_->clock().Advance(absl::Minutes(2));
  server_->gate().core().Sweep();
  client.join();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(status, HasReason(reason::kDeadlineExceeded));
  done(google::longrunning::Operation());
}

class WatchTest : public GateTest {
 protected:
  void Watch(const std::string& principal) {
    stub_ = v1::Guests::NewStub(server_->Channel(principal));
    SetTimeout(&context_, kPatience);
    reader_ = stub_->WatchGuests(&context_, v1::WatchGuestsRequest());
    writer_ = guests_->TakeWriter();
    ASSERT_NE(writer_, nullptr);
  }
  static v1::WatchGuestsResponse Removed(const std::string& text) {
    v1::WatchGuestsResponse response;
    response.set_removed(text);
    return response;
  }

  std::unique_ptr<v1::Guests::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchGuestsResponse>> reader_;
  std::shared_ptr<FakeGuests::Writer> writer_;
};

TEST_F(WatchTest, MessagesArriveInOrderAndThenTheEnd) {
  Watch("user/alice");
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(writer_->Write(Removed(absl::StrCat("guests/g", i))));
  }
  writer_->Finish(Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone,
                        "list afresh"));
  EXPECT_FALSE(writer_->Write(Removed("guests/late")));

  v1::WatchGuestsResponse response;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(reader_->Read(&response));
    EXPECT_EQ(response.removed(), absl::StrCat("guests/g", i));
  }
  EXPECT_FALSE(reader_->Read(&response));
  EXPECT_THAT(FromGrpcStatus(reader_->Finish()),
              HasReason(reason::kHistoryGone));
  EXPECT_EQ(guests_->cancelled(), 0);
}

TEST_F(WatchTest, IsClosedWhenTheCertificateExpires) {
  Watch("user/alice");
  server_->clock().Advance(absl::Hours(48));
  server_->gate().core().Sweep();
  v1::WatchGuestsResponse response;
  EXPECT_FALSE(reader_->Read(&response));
  const absl::Status status = FromGrpcStatus(reader_->Finish());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(status, HasReason(reason::kCertificateRefused));
  EXPECT_EQ(guests_->cancelled(), 1);
  EXPECT_FALSE(writer_->open());
}

TEST_F(WatchTest, WatcherThatDoesNotReadIsClosedAsTooSlow) {
  Watch("user/alice");
  const auto big = Removed("guests/" + std::string(64 << 10, 'x'));
  int written = 0;
  while (written < 10000 && writer_->Write(big)) ++written;
  // The queue, what the sockets on the way hold, and the flow window.
  EXPECT_LT(written, 1000);
  EXPECT_EQ(guests_->cancelled(), 1);

  v1::WatchGuestsResponse response;
  int read = 0;
  while (reader_->Read(&response)) ++read;
  EXPECT_LT(read, written);
  EXPECT_THAT(FromGrpcStatus(reader_->Finish()),
              HasReason(reason::kWatcherTooSlow));
}

TEST_F(WatchTest, ClosedWatcherThatNeverReadsIsReset) {
  Watch("user/alice");
  const auto big = Removed("guests/" + std::string(64 << 10, 'x'));
  while (writer_->Write(big)) {
  }
  server_->gate().core().Sweep();
  server_->clock().Advance(StreamCore::kLinger + absl::Seconds(1));
  std::weak_ptr<FakeGuests::Writer> weak = writer_;
  writer_.reset();
  server_->gate().core().Sweep();
  const absl::Time limit = absl::Now() + absl::Seconds(10);
  while (!weak.expired() && absl::Now() < limit) std::this_thread::yield();
  EXPECT_TRUE(weak.expired());
}

TEST_F(WatchTest, ClientThatLeavesRunsTheCancelHandler) {
  Watch("user/alice");
  context_.TryCancel();
  const absl::Time limit = absl::Now() + absl::Seconds(10);
  while (guests_->cancelled() == 0 && absl::Now() < limit) {
    std::this_thread::yield();
  }
  EXPECT_EQ(guests_->cancelled(), 1);
  EXPECT_FALSE(writer_->Write(Removed("guests/web")));
  reader_->Finish();
}

TEST_F(WatchTest, DrainEndsStreamsAndRefusesCalls) {
  Watch("user/alice");
  server_->gate().core().Drain();
  v1::WatchGuestsResponse response;
  EXPECT_FALSE(reader_->Read(&response));
  EXPECT_THAT(FromGrpcStatus(reader_->Finish()),
              HasReason(reason::kShuttingDown));
  EXPECT_THAT(Get(server_->Channel("user/alice"), "guests/web"),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(WatchTest, PullingProducerIsNeverTooSlow) {
  Watch("user/alice");
  constexpr int kCount = 20000;
  auto next = std::make_shared<int>(0);
  auto pull = [writer = writer_, next] {
    while (*next < kCount && writer->WritePermitted()) {
      writer->Write(Removed(absl::StrCat("guests/g", (*next)++)));
    }
    if (*next == kCount) writer->Finish(absl::OkStatus());
  };
  writer_->SetDrainHandler(pull);
  writer_->Write(Removed("guests/first"));
  v1::WatchGuestsResponse response;
  int read = 0;
  while (reader_->Read(&response)) ++read;
  EXPECT_THAT(FromGrpcStatus(reader_->Finish()), IsOk());
  EXPECT_EQ(read, kCount + 1);
}

TEST_F(GateTest, DeniedPrincipalLosesItsStreamAndItsCalls) {
  const std::string path = MakeTestDir() + "/deny";
  std::ofstream(path) << "# nobody\n";
  Start(path);
  const auto channel = server_->Channel("user/alice");
  const auto stub = v1::Guests::NewStub(channel);
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  const auto reader = stub->WatchGuests(&context, v1::WatchGuestsRequest());
  ASSERT_NE(guests_->TakeWriter(), nullptr);

  std::ofstream(path + ".new") << "principal:user/alice\n";
  ASSERT_EQ(rename((path + ".new").c_str(), path.c_str()), 0);

  const absl::Time limit = absl::Now() + absl::Seconds(10);
  while (Get(channel, "guests/web").ok() && absl::Now() < limit) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_THAT(Get(channel, "guests/web"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  server_->gate().core().Sweep();
  v1::WatchGuestsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::PERMISSION_DENIED);
}

class ConsoleTest : public GateTest {
 protected:
  void Attach(const std::string& principal) {
    stub_ = v1::Consoles::NewStub(server_->Channel(principal));
    SetTimeout(&context_, kPatience);
    stream_ = stub_->AttachSerial(&context_);
  }
  void Send(const std::string& name, const std::string& input) {
    v1::AttachSerialRequest request;
    request.set_name(name);
    request.set_input(input);
    stream_->Write(request);
  }

  std::unique_ptr<v1::Consoles::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachSerialRequest,
                                           v1::AttachSerialResponse>>
      stream_;
};

TEST_F(ConsoleTest, FirstMessageDecidesAndLaterOnesAreEchoed) {
  Attach("user/alice");
  Send("guests/web", "");
  v1::AttachSerialResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_EQ(response.output(), "hello from guests/web");
  for (int i = 0; i < 50; ++i) {
    Send("", absl::StrCat("line ", i));
    ASSERT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.output(), absl::StrCat("line ", i));
  }
  stream_->WritesDone();
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_THAT(FromGrpcStatus(stream_->Finish()), IsOk());
}

TEST_F(ConsoleTest, ForeignConsoleIsAbsent) {
  Attach("user/bob");
  Send("guests/web", "");
  v1::AttachSerialResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_THAT(FromGrpcStatus(stream_->Finish()),
              HasReason(reason::kGuestNotFound));
}

TEST_F(ConsoleTest, StreamWithoutAFirstMessageEnds) {
  Attach("user/alice");
  stream_->WritesDone();
  v1::AttachSerialResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_THAT(FromGrpcStatus(stream_->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConsoleTest, SilentStreamEndsAfterAWhile) {
  Attach("user/alice");
  const absl::Time limit = absl::Now() + absl::Seconds(10);
  while (server_->gate().core().tracked() == 0 && absl::Now() < limit) {
    std::this_thread::yield();
  }
  server_->clock().Advance(GateCore::kFirstMessage + absl::Seconds(1));
  server_->gate().core().Sweep();
  v1::AttachSerialResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_THAT(FromGrpcStatus(stream_->Finish()),
              HasReason(reason::kDeadlineExceeded));
}

TEST_F(ConsoleTest, OversizedInputIsRefused) {
  Attach("user/alice");
  Send("guests/web", "");
  v1::AttachSerialResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  Send("", std::string((64 << 10) + 1, 'x'));
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_THAT(FromGrpcStatus(stream_->Finish()),
              HasReason(reason::kInvalidRequest));
}

TEST_F(GateTest, MutatedPathsReachNoHandler) {
  const auto channel = server_->Channel("user/root");
  ASSERT_THAT(Get(channel, "guests/web"), IsOk());
  const int before = guests_->reached();
  grpc::GenericStub stub(channel);
  const std::string path = "/innkeeper.v1.Guests/GetGuest";
  std::vector<std::string> paths = {
      "innkeeper.v1.Guests/GetGuest",      "//innkeeper.v1.Guests/GetGuest",
      "/innkeeper.v1.Guests/GetGuest/",    "/INNKEEPER.V1.GUESTS/GETGUEST",
      "/innkeeper.v1.Guests/GetGuest?x=1", "/innkeeper.v1.Guests/%47etGuest",
      "/innkeeper.v1.Guests//GetGuest",    "/./innkeeper.v1.Guests/GetGuest"};
  for (size_t i = 0; i < path.size(); ++i) {
    std::string mutated = path;
    mutated.erase(i, 1);
    paths.push_back(mutated);
    for (const char c : {'/', 'x', '.', ' ', '%', '~', '\t'}) {
      mutated = path;
      mutated[i] = c;
      if (mutated != path) paths.push_back(mutated);
      mutated = path;
      mutated.insert(i, 1, c);
      paths.push_back(mutated);
    }
  }
  EXPECT_GT(paths.size(), 400u);
  v1::GetGuestRequest request;
  request.set_name("guests/web");
  const std::string bytes = request.SerializeAsString();
  for (const std::string& mutated : paths) {
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    grpc::Slice slice(bytes);
    grpc::ByteBuffer sent(&slice, 1);
    grpc::ByteBuffer answer;
    absl::Mutex mutex;
    bool done = false;
    grpc::Status status;
    stub.UnaryCall(&context, mutated, grpc::StubOptions(), &sent, &answer,
                   [&](grpc::Status s) {
                     absl::MutexLock lock(&mutex);
                     status = std::move(s);
                     done = true;
                   });
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&done));
    EXPECT_FALSE(status.ok()) << mutated;
  }
  EXPECT_EQ(guests_->reached(), before);
}

TEST_F(GateTest, DenialsAndClassBCallsAreAudited) {
  Get(server_->Channel("user/alice"), "guests/db").IgnoreError();
  Get(server_->Channel("user/alice"), "guests/web").IgnoreError();
  v1::LaunchGuestRequest request;
  Launch(server_->Channel("user/op"), request).IgnoreError();

  const std::vector<GateDecision> decisions = server_->decisions();
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions[0].method, "innkeeper.v1.Guests/GetGuest");
  EXPECT_EQ(decisions[0].caller, "user/alice");
  EXPECT_EQ(decisions[0].resource, "guests/db");
  EXPECT_THAT(decisions[0].address, HasSubstr("127.0.0.1:"));
  EXPECT_EQ(decisions[1].method, "innkeeper.v1.Guests/LaunchGuest");
  EXPECT_EQ(decisions[1].caller, "user/op");
}

}  // namespace
}  // namespace innkeeper
