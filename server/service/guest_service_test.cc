#include "server/service/guest_service.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "server/operations/operation_manager.h"
#include "server/service/guest_claims.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using testing::UnorderedElementsAre;
using Guests = v1::Guests::Stub;

constexpr int64_t kGib = int64_t{1} << 30;

v1::GetGuestRequest Named(const std::string& name) {
  v1::GetGuestRequest request;
  request.set_name(name);
  return request;
}

class GuestServiceTest : public testing::Test {
 protected:
  absl::StatusOr<Operation> Launch(const std::string& caller,
                                   const v1::LaunchGuestRequest& request) {
    return cluster_.Call(caller, &Guests::LaunchGuest, request);
  }
  absl::StatusOr<v1::Guest> Get(const std::string& caller,
                                const std::string& name) {
    return cluster_.Call(caller, &Guests::GetGuest, Named(name));
  }
  v1::ListGuestsResponse List(const std::string& caller,
                              const std::string& filter = "") {
    v1::ListGuestsRequest request;
    request.set_filter(filter);
    auto listed = cluster_.Call(caller, &Guests::ListGuests, request);
    EXPECT_THAT(listed, IsOk());
    return listed.ok() ? *std::move(listed) : v1::ListGuestsResponse();
  }
  std::vector<std::string> Names(const std::string& caller) {
    const v1::ListGuestsResponse listed = List(caller);
    std::vector<std::string> names;
    for (const v1::Guest& guest : listed.guests()) {
      names.push_back(guest.name());
    }
    return names;
  }
  // What a new watcher is sent up to the first mark: names of guests, and
  // "-NAME" for those that are gone.
  std::vector<std::string> Watched(const std::string& caller) {
    Guests stub(cluster_.Channel(caller));
    grpc::ClientContext context;
    SetTimeout(&context, TestCluster::kPatience);
    const auto reader = stub.WatchGuests(&context, v1::WatchGuestsRequest());
    std::vector<std::string> names;
    v1::WatchGuestsResponse response;
    while (reader->Read(&response) && !response.has_progress()) {
      names.push_back(response.has_guest() ? response.guest().name()
                                           : "-" + response.removed());
    }
    EXPECT_TRUE(response.has_progress());
    context.TryCancel();
    reader->Finish();
    return names;
  }

  TestCluster cluster_;
};

// Refusals.

TEST_F(GuestServiceTest, CallerWithoutARoleIsDenied) {
  EXPECT_THAT(Launch("service/ci", MakeTestLaunch("web")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason(reason::kPermissionDenied)));
  EXPECT_THAT(Get("service/ci", "guests/web"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(
      cluster_.Call("service/ci", &Guests::ListGuests, v1::ListGuestsRequest()),
      StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(GuestServiceTest, ViewerMayLookAndNotTouch) {
  cluster_.MustLaunch("web", "user/alice");
  v1::StopGuestRequest stop;
  stop.set_name("guests/web");

  EXPECT_THAT(Get("user/watcher", "guests/web"), IsOk());
  EXPECT_THAT(Launch("user/watcher", MakeTestLaunch("mine")), IsOk())
      << "everybody owns what they launch";
  EXPECT_THAT(cluster_.Call("user/watcher", &Guests::StopGuest, stop),
              AllOf(StatusIs(absl::StatusCode::kNotFound),
                    HasReason(reason::kGuestNotFound)));
  EXPECT_THAT(cluster_.h1().received("/StopGuest"), IsEmpty());
  EXPECT_THAT(cluster_.h2().received("/StopGuest"), IsEmpty());
}

TEST_F(GuestServiceTest, OwnerLaunchesForNobodyElse) {
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.mutable_guest()->set_owner("user/bob");

  const absl::Status refused = Launch("user/alice", request).status();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied,
                                HasSubstr("user/bob")));
  EXPECT_THAT(refused, HasReason(reason::kPermissionDenied));
  EXPECT_THAT(cluster_.operations().Unfinished(), IsEmpty());
  EXPECT_THAT(cluster_.h1().received("/LaunchGuest"), IsEmpty());
}

TEST_F(GuestServiceTest, EveryFaultOfARequestIsNamedAtOnce) {
  v1::LaunchGuestRequest request = MakeTestLaunch("Bad Id");
  request.mutable_guest()->mutable_spec()->set_vcpu_count(0);
  request.mutable_guest()->mutable_spec()->set_memory_bytes(5);
  request.mutable_guest()->mutable_spec()->set_initrd("/etc/passwd");
  request.set_host("h1");
  request.set_request_id("again");

  const absl::Status refused = Launch("user/alice", request).status();

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                             HasReason(reason::kInvalidRequest)));
  std::set<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(refused).fields) {
    fields.insert(fault.field);
  }
  EXPECT_THAT(fields, UnorderedElementsAre("guest_id", "host", "request_id",
                                           "guest.spec.vcpu_count",
                                           "guest.spec.memory_bytes",
                                           "guest.spec.initrd"));
}

TEST_F(GuestServiceTest, FaultsThatOnlyAHostKnowsAreTheCallersToo) {
  const absl::Status faults =
      Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest, "bad")
          .Field("guest.spec.disks[0].format", "is not what it is")
          .Field("guest.spec.kernel", "is no kernel");
  for (FakeAgent* agent : {&cluster_.h1(), &cluster_.h2()}) {
    agent->SetAnswer(
        "/LaunchGuest",
        [faults](const FakeAgent::Received&) -> absl::StatusOr<std::string> {
          return faults;
        });
  }

  const absl::Status refused =
      Launch("user/alice", MakeTestLaunch("web")).status();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(DetailsOf(refused).fields, SizeIs(2));
  EXPECT_THAT(cluster_.operations().Unfinished(), IsEmpty());
  EXPECT_THAT(cluster_.claims().CheckFree("web"), IsOk());
}

TEST_F(GuestServiceTest, UnknownHostIsNotFound) {
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_host("hosts/h9");

  EXPECT_THAT(Launch("user/op", request),
              AllOf(StatusIs(absl::StatusCode::kNotFound, HasSubstr("h9")),
                    HasReason(reason::kHostNotFound)));
}

TEST_F(GuestServiceTest, CordonedHostTakesNoGuestThatAsksForIt) {
  v1::CordonHostRequest cordon;
  cordon.set_name("hosts/h1");
  ASSERT_THAT(cluster_.Call("user/op", &v1::Hosts::Stub::CordonHost, cordon),
              IsOk());
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_host("hosts/h1");

  const absl::Status refused = Launch("user/alice", request).status();

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("cordoned")),
                             HasReason(reason::kNoHostFits)));
  ASSERT_THAT(DetailsOf(refused).preconditions, SizeIs(1));
  EXPECT_EQ(DetailsOf(refused).preconditions[0].type, reason::kHostCordoned);
  EXPECT_EQ(DetailsOf(refused).preconditions[0].subject, "hosts/h1");
  EXPECT_EQ(cluster_.MustLaunch("web", "user/alice").host(), "hosts/h2");
}

TEST_F(GuestServiceTest, CordonDoesNotBindWhatIsLaunchedAtTheHost) {
  v1::CordonHostRequest cordon;
  cordon.set_name("hosts/h1");
  ASSERT_THAT(cluster_.Call("user/op", &v1::Hosts::Stub::CordonHost, cordon),
              IsOk());

  cluster_.h1().AddGuest(MakeTestGuest("direct", 'a', "user/alice"));

  EXPECT_TRUE(cluster_.AwaitGuest("guests/direct"));
  EXPECT_THAT(Names("user/alice"), ElementsAre("guests/direct"));
}

TEST_F(GuestServiceTest, LackOfRoomNamesEveryHostsNumbers) {
  cluster_.MustLaunch("web", "user/alice");
  v1::LaunchGuestRequest request = MakeTestLaunch("big");
  request.mutable_guest()->mutable_spec()->set_memory_bytes(11 * kGib);

  const absl::Status refused = Launch("user/alice", request).status();

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kResourceExhausted),
                             HasReason(reason::kCapacityExhausted)));
  const auto metadata = DetailsOf(refused).metadata;
  EXPECT_THAT(metadata.at("host.h1"), HasSubstr("asked 11 GiB, free"));
  EXPECT_THAT(metadata.at("host.h2"), HasSubstr("asked 11 GiB, free"));
  EXPECT_THAT(metadata.at("host.h1") + metadata.at("host.h2"),
              AllOf(HasSubstr("free 9 GiB of 10 GiB"),
                    HasSubstr("free 10 GiB of 10 GiB")));
  EXPECT_THAT(cluster_.claims().CheckFree("big"), IsOk());
}

TEST_F(GuestServiceTest, HostsWithoutTheMachineTypeAreNoPlace) {
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.mutable_guest()->mutable_spec()->set_machine(v1::GuestSpec::MICROVM);

  const absl::Status refused = Launch("user/alice", request).status();

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("asked microvm")),
                             HasReason(reason::kNoHostFits)));
  EXPECT_EQ(DetailsOf(refused).preconditions[0].type,
            reason::kMachineTypeUnsupported);
}

TEST_F(GuestServiceTest, IdInUseIsRefusedWithoutAWordOfItsOwner) {
  cluster_.MustLaunch("web", "user/alice");

  const absl::Status refused =
      Launch("user/bob", MakeTestLaunch("web")).status();

  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kAlreadyExists),
                             HasReason(reason::kGuestExists)));
  EXPECT_THAT(refused.ToString(), Not(HasSubstr("alice")));
}

TEST_F(GuestServiceTest, RequestIdOfAnotherBodyIsRefused) {
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_request_id(MakeUuid());
  ASSERT_THAT(Launch("user/alice", request), IsOk());
  request.set_guest_id("other");

  EXPECT_THAT(Launch("user/alice", request),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kRequestIdReused)));
}

TEST_F(GuestServiceTest, RequestIdRepeatedIsAnsweredWithTheFirstOperation) {
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_request_id(MakeUuid());

  const auto first = Launch("user/alice", request);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(cluster_.Wait(first->name()), IsOk());
  const auto second = Launch("user/alice", request);

  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->name(), second->name());
  EXPECT_TRUE(second->done());
  EXPECT_EQ(cluster_.h1().launches().size() + cluster_.h2().launches().size(),
            1u);
}

TEST_F(GuestServiceTest, RequestIdIsItsCallersOwn) {
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_request_id(MakeUuid());
  ASSERT_THAT(Launch("user/alice", request), IsOk());

  EXPECT_THAT(Launch("user/bob", request),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

// What is there.

TEST_F(GuestServiceTest, LaunchIsDelegatedWithItsOperationAndItsGuestsUid) {
  const auto operation = Launch("user/alice", MakeTestLaunch("web"));
  ASSERT_THAT(operation, IsOk());
  const auto done = cluster_.Wait(operation->name());
  ASSERT_THAT(done, IsOk());
  v1::Guest guest;
  ASSERT_TRUE(done->response().UnpackTo(&guest)) << done->ShortDebugString();

  std::vector<FakeAgent::Received> calls =
      cluster_.h1().received("/LaunchGuest");
  for (const auto& call : cluster_.h2().received("/LaunchGuest")) {
    calls.push_back(call);
  }
  // One only looked at the request.
  ASSERT_THAT(calls, SizeIs(2));
  for (const FakeAgent::Received& call : calls) {
    ASSERT_TRUE(call.delegation.has_value());
    EXPECT_EQ(call.delegation->caller.ToString(), "user/alice");
    EXPECT_EQ(call.delegation->guest_uid, guest.uid());
    v1::LaunchGuestRequest sent;
    ASSERT_TRUE(sent.ParseFromString(call.request));
    if (sent.validate_only()) continue;
    EXPECT_EQ(call.delegation->operation,
              absl::StripPrefix(operation->name(), "operations/"));
    EXPECT_GT(call.delegation->fencing_number, 0);
    EXPECT_EQ(sent.SerializeAsString(),
              MakeTestLaunch("web").SerializeAsString());
  }
}

TEST_F(GuestServiceTest, DryRunChangesNothing) {
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_validate_only(true);

  EXPECT_THAT(Launch("user/alice", request), IsOk());

  EXPECT_THAT(cluster_.operations().List(
                  [](const ClusterOperation&) { return true; }, 0, nullptr),
              IsEmpty());
  EXPECT_THAT(cluster_.claims().CheckFree("web"), IsOk());
  EXPECT_THAT(cluster_.h1().launches(), IsEmpty());
  EXPECT_THAT(cluster_.h2().launches(), IsEmpty());
}

TEST_F(GuestServiceTest, DryRunSaysWhatWouldStandInTheWay) {
  cluster_.MustLaunch("web", "user/alice");
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_validate_only(true);

  EXPECT_THAT(Launch("user/alice", request), HasReason(reason::kGuestExists));
  request.set_guest_id("big");
  request.mutable_guest()->mutable_spec()->set_memory_bytes(11 * kGib);
  EXPECT_THAT(Launch("user/alice", request),
              HasReason(reason::kCapacityExhausted));
}

TEST_F(GuestServiceTest, ForAnotherTenantAGuestIsAsIfItDidNotExist) {
  cluster_.MustLaunch("web", "user/alice");
  v1::StopGuestRequest stop;
  stop.set_name("guests/web");

  const absl::Status foreign = Get("user/bob", "guests/web").status();
  const absl::Status absent = Get("user/bob", "guests/wax").status();

  EXPECT_THAT(foreign, AllOf(StatusIs(absl::StatusCode::kNotFound,
                                      "guest 'web' does not exist"),
                             HasReason(reason::kGuestNotFound)));
  EXPECT_THAT(absent, StatusIs(absl::StatusCode::kNotFound,
                               "guest 'wax' does not exist"));
  EXPECT_THAT(
      cluster_.Call("user/bob", &Guests::StopGuest, stop),
      StatusIs(absl::StatusCode::kNotFound, "guest 'web' does not exist"));
  EXPECT_THAT(Names("user/bob"), IsEmpty());
  EXPECT_THAT(Watched("user/bob"), IsEmpty());
}

TEST_F(GuestServiceTest, TenantSeesItsOwnGuestsOfAllHosts) {
  cluster_.h1().AddGuest(MakeTestGuest("a1", 'a', "user/alice"));
  cluster_.h1().AddGuest(MakeTestGuest("b1", 'b', "user/bob"));
  cluster_.h2().AddGuest(MakeTestGuest("a2", 'c', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/a1"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/b1"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/a2"));

  EXPECT_THAT(Names("user/alice"), ElementsAre("guests/a1", "guests/a2"));
  EXPECT_THAT(Watched("user/alice"),
              UnorderedElementsAre("guests/a1", "guests/a2"));
  EXPECT_THAT(Names("user/bob"), ElementsAre("guests/b1"));
  EXPECT_THAT(Names("user/watcher"),
              ElementsAre("guests/a1", "guests/a2", "guests/b1"));
  EXPECT_THAT(Watched("user/watcher"),
              UnorderedElementsAre("guests/a1", "guests/a2", "guests/b1"));
}

TEST_F(GuestServiceTest, FilterCannotAskForWhatIsForeign) {
  cluster_.h1().AddGuest(MakeTestGuest("b1", 'b', "user/bob"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/b1"));

  EXPECT_THAT(List("user/alice", "owner = \"user/bob\"").guests(), IsEmpty());
  EXPECT_THAT(List("user/op", "owner = \"user/bob\"").guests(), SizeIs(1));
}

TEST_F(GuestServiceTest, WatcherIsToldOfItsOwnGuestsEnd) {
  cluster_.h1().AddGuest(MakeTestGuest("a1", 'a', "user/alice"));
  cluster_.h1().AddGuest(MakeTestGuest("b1", 'b', "user/bob"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/b1"));
  Guests stub(cluster_.Channel("user/alice"));
  grpc::ClientContext context;
  SetTimeout(&context, TestCluster::kPatience);
  const auto reader = stub.WatchGuests(&context, v1::WatchGuestsRequest());
  v1::WatchGuestsResponse response;
  while (reader->Read(&response) && !response.has_progress()) {
  }

  cluster_.h1().RemoveGuest(MakeTestGuest("b1", 'b', "").uid());
  cluster_.h1().RemoveGuest(MakeTestGuest("a1", 'a', "").uid());

  do {
    ASSERT_TRUE(reader->Read(&response));
  } while (response.has_progress());
  EXPECT_EQ(response.removed(), "guests/a1");
  context.TryCancel();
  reader->Finish();
}

TEST_F(GuestServiceTest, SecondGuestOfOneIdIsShownAndCalledByItsUid) {
  cluster_.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web"));
  cluster_.h2().AddGuest(MakeTestGuest("web", 'b', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web-bbbbbb"));
  v1::PauseGuestRequest pause;
  pause.set_name("guests/web-bbbbbb");

  const auto paused = cluster_.Call("user/alice", &Guests::PauseGuest, pause);

  ASSERT_THAT(paused, IsOk());
  EXPECT_EQ(paused->name(), "guests/web-bbbbbb");
  EXPECT_EQ(paused->state(), v1::Guest::PAUSED);
  const auto calls = cluster_.h2().received("/PauseGuest");
  ASSERT_THAT(calls, SizeIs(1));
  v1::PauseGuestRequest sent;
  ASSERT_TRUE(sent.ParseFromString(calls[0].request));
  EXPECT_EQ(sent.name(), "guests/web");
  EXPECT_EQ(calls[0].delegation->guest_uid,
            MakeTestGuest("web", 'b', "").uid());
}

TEST_F(GuestServiceTest, GuestOfTheClusterKeepsItsIdWhoeverReportsFirst) {
  TestCluster::Options options;
  options.await_up = false;
  TestCluster cluster(options);
  ASSERT_TRUE(cluster.AwaitHost("h1", v1::Host::UP));
  v1::LaunchGuestRequest request = MakeTestLaunch("web");
  request.set_host("hosts/h1");
  const auto operation =
      cluster.Call("user/alice", &Guests::LaunchGuest, request);
  ASSERT_THAT(operation, IsOk());
  ASSERT_THAT(cluster.Wait(operation->name()), IsOk());
  ASSERT_TRUE(cluster.AwaitGuest("guests/web"));
  const std::string uid =
      cluster.inventory().table().Find("guests/web")->guest.uid();
  cluster.Stop();

  // Launched at its host, past the server, while the other one is away.
  cluster.h1().SetUnreachable(true);
  cluster.h2().AddGuest(MakeTestGuest("web", 'b', "user/bob"));
  cluster.Restart();

  ASSERT_TRUE(cluster.AwaitGuest("guests/web-bbbbbb"));
  EXPECT_EQ(cluster.inventory().table().Find("guests/web"), nullptr);
  cluster.h1().SetUnreachable(false);
  ASSERT_TRUE(cluster.AwaitGuest("guests/web"));
  EXPECT_EQ(cluster.inventory().table().Find("guests/web")->guest.uid(), uid);
}

TEST_F(GuestServiceTest, ExplainTellsEveryHostsVerdictAndTheChosenOnesPlan) {
  v1::CordonHostRequest cordon;
  cordon.set_name("hosts/h1");
  ASSERT_THAT(cluster_.Call("user/op", &v1::Hosts::Stub::CordonHost, cordon),
              IsOk());
  v1::ExplainLaunchRequest request;
  *request.mutable_launch() = MakeTestLaunch("web");

  const auto explained =
      cluster_.Call("user/alice", &Guests::ExplainLaunch, request);

  ASSERT_THAT(explained, IsOk());
  EXPECT_EQ(explained->host(), "hosts/h2");
  ASSERT_EQ(explained->candidates_size(), 2);
  EXPECT_FALSE(explained->candidates(0).fits());
  EXPECT_THAT(explained->candidates(0).reasons(),
              ElementsAre("cordoned: takes no new guests"));
  EXPECT_TRUE(explained->candidates(1).fits());
  EXPECT_GT(explained->candidates(1).score(), 0);
  EXPECT_THAT(explained->argv(), ElementsAre("qemu-of-h2"));
  EXPECT_THAT(explained->refusals(), IsEmpty());
}

TEST_F(GuestServiceTest, ExplainTellsWhatIsMissingOfAMachineType) {
  v1::ExplainLaunchRequest request;
  *request.mutable_launch() = MakeTestLaunch("web");
  request.mutable_launch()->mutable_guest()->mutable_spec()->set_machine(
      v1::GuestSpec::MICROVM);

  const auto explained =
      cluster_.Call("user/alice", &Guests::ExplainLaunch, request);

  ASSERT_THAT(explained, IsOk());
  EXPECT_EQ(explained->host(), "");
  for (const auto& candidate : explained->candidates()) {
    EXPECT_THAT(candidate.reasons(),
                ElementsAre("machine type: asked microvm, has pc-q35-7.2"));
  }
  EXPECT_THAT(explained->refusals(), Contains(StartsWith("no host fits: ")));
}

TEST_F(GuestServiceTest, ExplainForAnotherTenantIsDenied) {
  v1::ExplainLaunchRequest request;
  *request.mutable_launch() = MakeTestLaunch("web");
  request.mutable_launch()->mutable_guest()->set_owner("user/bob");

  EXPECT_THAT(cluster_.Call("user/alice", &Guests::ExplainLaunch, request),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason(reason::kPermissionDenied)));
}

TEST_F(GuestServiceTest, PausedGuestIsResumedInItsOwnersName) {
  cluster_.MustLaunch("web", "user/alice");
  v1::PauseGuestRequest pause;
  pause.set_name("guests/web");
  v1::ResumeGuestRequest resume;
  resume.set_name("guests/web");

  ASSERT_THAT(cluster_.Call("user/op", &Guests::PauseGuest, pause), IsOk());
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web", v1::Guest::PAUSED));
  const auto resumed =
      cluster_.Call("user/alice", &Guests::ResumeGuest, resume);

  ASSERT_THAT(resumed, IsOk());
  EXPECT_EQ(resumed->state(), v1::Guest::RUNNING);
}

TEST_F(GuestServiceTest, HostThatIsLostInACallIsSaidToBeUnreachable) {
  cluster_.MustLaunch("web", "user/alice", "hosts/h1");
  v1::PauseGuestRequest pause;
  pause.set_name("guests/web");
  v1::LaunchGuestRequest check = MakeTestLaunch("db");
  check.set_validate_only(true);
  v1::ExplainLaunchRequest explain;
  *explain.mutable_launch() = MakeTestLaunch("db");
  cluster_.h1().SetUnreachable(true);
  cluster_.h2().SetUnreachable(true);

  for (const absl::Status& refused :
       {cluster_.Call("user/alice", &Guests::PauseGuest, pause).status(),
        Launch("user/alice", check).status(),
        cluster_.Call("user/alice", &Guests::ExplainLaunch, explain)
            .status()}) {
    EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kUnavailable,
                                        HasSubstr("did not answer")),
                               HasReason(reason::kHostUnreachable)));
  }
}

TEST_F(GuestServiceTest, HostThatDoesNotAnswerIsNamedAndItsGuestsAreStale) {
  TestCluster::Options options;
  options.silence = absl::Seconds(1);
  TestCluster cluster(options);
  cluster.h1().AddGuest(MakeTestGuest("a1", 'a', "user/alice"));
  cluster.h2().AddGuest(MakeTestGuest("a2", 'b', "user/alice"));
  ASSERT_TRUE(cluster.AwaitGuest("guests/a1"));
  ASSERT_TRUE(cluster.AwaitGuest("guests/a2"));

  cluster.h1().SetUnreachable(true);
  ASSERT_TRUE(cluster.AwaitHost("h1", v1::Host::UNREACHABLE));
  cluster.clock().Advance(absl::Seconds(90));
  const auto listed =
      cluster.Call("user/alice", &Guests::ListGuests, v1::ListGuestsRequest());
  v1::PauseGuestRequest pause;
  pause.set_name("guests/a1");
  const absl::Status refused =
      cluster.Call("user/alice", &Guests::PauseGuest, pause).status();

  ASSERT_THAT(listed, IsOk());
  EXPECT_THAT(listed->unreachable(), ElementsAre("hosts/h1"));
  ASSERT_EQ(listed->guests_size(), 2);
  EXPECT_TRUE(listed->guests(0).stale());
  EXPECT_FALSE(listed->guests(1).stale());
  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kUnavailable,
                                      HasSubstr("no contact for 1m30s")),
                             HasReason(reason::kHostUnreachable)));

  cluster.h1().SetUnreachable(false);
  ASSERT_TRUE(cluster.AwaitHost("h1", v1::Host::UP));
  const auto after =
      cluster.Call("user/alice", &Guests::ListGuests, v1::ListGuestsRequest());
  ASSERT_THAT(after, IsOk());
  EXPECT_THAT(after->unreachable(), IsEmpty());
  EXPECT_FALSE(after->guests(0).stale());
}

}  // namespace
}  // namespace innkeeper
