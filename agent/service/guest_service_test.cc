#include "agent/service/guest_service.h"

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/service/testing/test_agent.h"
#include "auth/delegation.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/protobuf/empty.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.grpc.pb.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using Stub = v1::Guests::Stub;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class GuestServiceTest : public testing::Test {
 protected:
  absl::StatusOr<Operation> Launch(const std::string& caller,
                                   const v1::LaunchGuestRequest& request) {
    return agent_.Call(caller, &Stub::LaunchGuest, request);
  }
  absl::StatusOr<v1::Guest> Get(const std::string& caller,
                                const std::string& name) {
    v1::GetGuestRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Stub::GetGuest, request);
  }
  absl::StatusOr<Operation> Start(const std::string& caller,
                                  const std::string& name) {
    v1::StartGuestRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Stub::StartGuest, request);
  }
  absl::StatusOr<Operation> Stop(const std::string& caller,
                                 const std::string& name, bool force = false) {
    v1::StopGuestRequest request;
    request.set_name(name);
    request.set_force(force);
    return agent_.Call(caller, &Stub::StopGuest, request);
  }
  absl::StatusOr<Operation> Reboot(const std::string& caller,
                                   const std::string& name) {
    v1::RebootGuestRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Stub::RebootGuest, request);
  }
  absl::StatusOr<Operation> Delete(const std::string& caller,
                                   const std::string& name,
                                   bool allow_missing = false) {
    v1::DeleteGuestRequest request;
    request.set_name(name);
    request.set_allow_missing(allow_missing);
    return agent_.Call(caller, &Stub::DeleteGuest, request);
  }
  absl::StatusOr<v1::Guest> Pause(const std::string& caller,
                                  const std::string& name) {
    v1::PauseGuestRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Stub::PauseGuest, request);
  }
  absl::StatusOr<v1::Guest> Resume(const std::string& caller,
                                   const std::string& name) {
    v1::ResumeGuestRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Stub::ResumeGuest, request);
  }
  absl::StatusOr<v1::ExplainLaunchResponse> Explain(
      const v1::LaunchGuestRequest& launch) {
    v1::ExplainLaunchRequest request;
    *request.mutable_launch() = launch;
    return agent_.Call("user/op", &Stub::ExplainLaunch, request);
  }
  absl::StatusOr<v1::GuestSecurity> Security(const std::string& caller,
                                             const std::string& name) {
    v1::GetGuestSecurityRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Stub::GetGuestSecurity, request);
  }
  // Every verb on `name` by its own name.
  std::map<std::string, absl::Status> TryAll(const std::string& caller,
                                             const std::string& name) {
    return {{"get", Get(caller, name).status()},
            {"start", Start(caller, name).status()},
            {"stop", Stop(caller, name).status()},
            {"reboot", Reboot(caller, name).status()},
            {"pause", Pause(caller, name).status()},
            {"resume", Resume(caller, name).status()},
            {"delete", Delete(caller, name).status()}};
  }

  TestAgent agent_;
};

TEST_F(GuestServiceTest, ForeignGuestIsAbsentForEveryVerbInTheSameWords) {
  agent_.Run("web", "user/alice");

  const auto foreign = TryAll("user/bob", "guests/web");
  const auto absent = TryAll("user/bob", "guests/no");

  for (const auto& [verb, status] : foreign) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                                 "guest 'web' does not exist"))
        << verb;
    EXPECT_THAT(status, HasReason(reason::kGuestNotFound)) << verb;
    EXPECT_THAT(absent.at(verb), StatusIs(absl::StatusCode::kNotFound,
                                          "guest 'no' does not exist"))
        << verb;
  }
  EXPECT_EQ(Get("user/alice", "guests/web")->state(), v1::Guest::RUNNING);
}

TEST_F(GuestServiceTest, ViewerReadsAndChangesNothing) {
  agent_.Run("web", "user/alice");

  for (const auto& [verb, status] : TryAll("user/watcher", "guests/web")) {
    if (verb == "get") {
      EXPECT_THAT(status, IsOk());
    } else {
      // A viewer owns nothing here, so that none of this is its own.
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound)) << verb;
    }
  }
  EXPECT_THAT(Launch("user/watcher", TestAgent::MakeLaunch("x", "user/alice")),
              HasReason(reason::kPermissionDenied));
}

TEST_F(GuestServiceTest, LaunchForSomebodyElseIsDenied) {
  const absl::StatusOr<Operation> launch =
      Launch("user/alice", TestAgent::MakeLaunch("web", "user/bob"));

  EXPECT_THAT(launch, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(launch, HasReason(reason::kPermissionDenied));
  EXPECT_THAT(Get("user/op", "guests/web"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(GuestServiceTest, OwnerIsTheCallerUnlessNamed) {
  ASSERT_THAT(
      agent_.End(Launch("user/alice", TestAgent::MakeLaunch("mine", ""))),
      IsOk());
  ASSERT_THAT(agent_.End(Launch("user/op",
                                TestAgent::MakeLaunch("hers", "user/alice"))),
              IsOk());

  EXPECT_EQ(Get("user/op", "guests/mine")->owner(), "user/alice");
  EXPECT_EQ(Get("user/op", "guests/mine")->requested_by(), "user/alice");
  EXPECT_EQ(Get("user/alice", "guests/hers")->owner(), "user/alice");
  EXPECT_EQ(Get("user/alice", "guests/hers")->requested_by(), "user/op");
}

TEST_F(GuestServiceTest, FaultsOfTheSpecAreNamedAllAtOnceAndLeaveNothing) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  // Each is well-formed, so that only the domain can refuse it.
  spec.set_kernel_command_line("console=ttyS0");
  spec.set_initrd("pools/main/volumes/initrd");

  const absl::StatusOr<Operation> launch = Launch("user/op", request);

  EXPECT_THAT(launch, HasReason(reason::kInvalidRequest));
  std::vector<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(launch.status()).fields) {
    fields.push_back(fault.field);
  }
  EXPECT_THAT(fields, UnorderedElementsAre("guest.spec.initrd",
                                           "guest.spec.kernel_command_line"));
  EXPECT_THAT(Get("user/op", "guests/web"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(GuestServiceTest, IdInUseIsRefusedWithoutAWordOfItsOwner) {
  agent_.Run("web", "user/alice");

  const absl::StatusOr<Operation> launch =
      Launch("user/bob", TestAgent::MakeLaunch("web", ""));

  EXPECT_THAT(launch, StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(launch, HasReason(reason::kGuestExists));
  EXPECT_THAT(launch.status().ToString(), Not(HasSubstr("alice")));
}

TEST_F(GuestServiceTest, LaunchForAnotherHostIsSentToTheServer) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  request.set_host("hosts/h2");
  EXPECT_THAT(Launch("user/op", request), HasReason(reason::kHostNotFound));

  request.set_host("hosts/h1");
  EXPECT_THAT(agent_.ErrorOf(Launch("user/op", request)), IsOk());
}

TEST_F(GuestServiceTest, HostWithoutTheLabelsAskedForRefusesNamingEach) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  (*request.mutable_host_labels())["zone"] = "b";
  (*request.mutable_host_labels())["disk"] = "ssd";

  const absl::StatusOr<Operation> launch = Launch("user/op", request);

  EXPECT_THAT(launch, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("disk=ssd, zone=b")));
  EXPECT_THAT(launch, HasReason(reason::kNoHostFits));
  EXPECT_THAT(DetailsOf(launch.status()).preconditions, SizeIs(2));

  request.mutable_host_labels()->erase("disk");
  (*request.mutable_host_labels())["zone"] = "a";
  EXPECT_THAT(agent_.ErrorOf(Launch("user/op", request)), IsOk());
}

TEST_F(GuestServiceTest, LaunchBeyondTheRoomIsRefusedWithTheNumbers) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("big", "user/alice");
  request.mutable_guest()->mutable_spec()->set_vcpu_count(17);

  const absl::StatusOr<Operation> launch = Launch("user/op", request);

  EXPECT_THAT(launch, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(launch, HasReason(reason::kCapacityExhausted));
  EXPECT_EQ(DetailsOf(launch.status()).metadata.at("free_vcpus"), "16");
}

TEST_F(GuestServiceTest, LaunchEndsWithTheGuestThatRuns) {
  const absl::StatusOr<Operation> launch =
      Launch("user/op", TestAgent::MakeLaunch("web", "user/alice"));

  ASSERT_THAT(launch, IsOk());
  const absl::StatusOr<Operation> end = agent_.End(launch);
  ASSERT_THAT(end, IsOk());
  v1::Guest guest;
  ASSERT_TRUE(end->response().UnpackTo(&guest));
  EXPECT_EQ(guest.name(), "guests/web");
  EXPECT_EQ(guest.state(), v1::Guest::RUNNING);
  EXPECT_EQ(guest.host(), "hosts/h1");
  v1::GuestOperationMetadata metadata;
  ASSERT_TRUE(end->metadata().UnpackTo(&metadata));
  EXPECT_EQ(metadata.verb(), "launch");
  EXPECT_EQ(metadata.guest(), "guests/web");
  EXPECT_EQ(metadata.guest_uid(), guest.uid());
  EXPECT_EQ(metadata.caller(), "user/op");
  EXPECT_TRUE(metadata.has_end_time());
}

TEST_F(GuestServiceTest, FailedLaunchKeepsItsReasonAndLeavesNothing) {
  agent_.OnLoop([&] {
    agent_.driver().FailNext("launch",
                             Error(absl::StatusCode::kFailedPrecondition,
                                   reason::kImageInUse, "the image is in use"));
  });

  const absl::Status error = agent_.ErrorOf(
      Launch("user/op", TestAgent::MakeLaunch("web", "user/alice")));

  EXPECT_THAT(error, HasReason(reason::kImageInUse));
  EXPECT_THAT(Get("user/op", "guests/web"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(GuestServiceTest, ValidateOnlyShowsTheGuestAndMakesNone) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  request.set_validate_only(true);

  const absl::StatusOr<Operation> checked = Launch("user/op", request);

  ASSERT_THAT(checked, IsOk());
  EXPECT_TRUE(checked->done());
  v1::Guest guest;
  ASSERT_TRUE(checked->response().UnpackTo(&guest));
  EXPECT_EQ(guest.name(), "guests/web");
  EXPECT_EQ(guest.owner(), "user/alice");
  EXPECT_EQ(guest.machine_type(), "pc-q35-7.2");
  EXPECT_EQ(guest.acceleration(), "tcg");
  EXPECT_THAT(Get("user/op", "guests/web"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(agent_.driver().launches(), 0);
}

TEST_F(GuestServiceTest, ValidateOnlyRefusesWhatALaunchWould) {
  agent_.Run("web", "user/alice");
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  request.set_validate_only(true);

  EXPECT_THAT(Launch("user/op", request), HasReason(reason::kGuestExists));
}

TEST_F(GuestServiceTest, ExplainSaysWhatALaunchWouldDo) {
  const absl::StatusOr<v1::ExplainLaunchResponse> explained =
      Explain(TestAgent::MakeLaunch("web", "user/alice"));

  ASSERT_THAT(explained, IsOk());
  EXPECT_EQ(explained->host(), "hosts/h1");
  EXPECT_THAT(explained->argv(), ElementsAre("fake", "web"));
  ASSERT_THAT(explained->descriptors(), SizeIs(1));
  EXPECT_EQ(explained->descriptors(0).number(), 3);
  EXPECT_EQ(explained->descriptors(0).what(), "monitor");
  EXPECT_THAT(explained->steps(), ElementsAre("none: there is no process"));
  EXPECT_THAT(explained->acceleration(), HasSubstr("no KVM"));
  EXPECT_THAT(explained->refusals(), IsEmpty());
  EXPECT_THAT(explained->candidates(), IsEmpty());
}

TEST_F(GuestServiceTest, SecurityShowsWhatIsBesideWhatWasAsked) {
  agent_.Run("web", "user/alice");

  for (const char* caller : {"user/alice", "user/watcher"}) {
    const auto security = Security(caller, "guests/web");

    ASSERT_THAT(security, IsOk()) << caller;
    EXPECT_EQ(security->guest(), "guests/web");
    EXPECT_EQ(security->host(), "hosts/h1");
    EXPECT_EQ(security->owner(), "user/alice");
    EXPECT_GT(security->process().pid(), 0);
    ASSERT_THAT(security->checks(), SizeIs(2));
    EXPECT_EQ(security->checks(1).verdict(), v1::GuestSecurity::DIFFERENT);
    EXPECT_FALSE(security->as_asked());
  }
}

TEST_F(GuestServiceTest, SecurityOfAForeignGuestIsThatOfNone) {
  agent_.Run("web", "user/alice");

  EXPECT_THAT(
      Security("user/bob", "guests/web").status(),
      StatusIs(absl::StatusCode::kNotFound, "guest 'web' does not exist"));
  EXPECT_THAT(
      Security("user/bob", "guests/no").status(),
      StatusIs(absl::StatusCode::kNotFound, "guest 'no' does not exist"));
}

TEST_F(GuestServiceTest, SecurityOfAGuestWithoutAProcessIsRefused) {
  agent_.Run("web", "user/alice");
  agent_.OnLoop([&] {
    agent_.driver().FailNext("review",
                             Error(absl::StatusCode::kFailedPrecondition,
                                   reason::kGuestNotRunning, "it has ended"));
  });

  EXPECT_THAT(Security("user/alice", "guests/web"),
              HasReason(reason::kGuestNotRunning));
}

TEST_F(GuestServiceTest, ExplainNamesEverythingThatStandsInTheWay) {
  agent_.OnLoop([&] {
    agent_.driver().FailNext(
        "explain",
        Error(absl::StatusCode::kFailedPrecondition, reason::kVolumeNotFound,
              "two volumes are not there")
            .Precondition(reason::kVolumeNotFound, "pools/a/volumes/x", "no x")
            .Precondition(reason::kPoolNotFound, "pools/b", "no pool b"));
  });

  const absl::StatusOr<v1::ExplainLaunchResponse> explained =
      Explain(TestAgent::MakeLaunch("web", "user/alice"));

  ASSERT_THAT(explained, IsOk());
  EXPECT_THAT(explained->refusals(), ElementsAre("no x", "no pool b"));
  EXPECT_EQ(explained->host(), "");
}

TEST_F(GuestServiceTest, RepeatedRequestGetsTheSameOperation) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  request.set_request_id(MakeUuid());
  const absl::StatusOr<Operation> first = Launch("user/op", request);
  ASSERT_THAT(agent_.End(first), IsOk());

  const absl::StatusOr<Operation> again = Launch("user/op", request);

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->name(), first->name());
  EXPECT_TRUE(again->done());
  EXPECT_EQ(agent_.driver().launches(), 1);
}

TEST_F(GuestServiceTest, RequestIdOfAnotherBodyIsRefused) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
  request.set_request_id(MakeUuid());
  ASSERT_THAT(agent_.End(Launch("user/op", request)), IsOk());

  request.mutable_guest()->mutable_spec()->set_vcpu_count(2);
  EXPECT_THAT(Launch("user/op", request), HasReason(reason::kRequestIdReused));
  request.set_guest_id("other");
  EXPECT_THAT(Launch("user/op", request), HasReason(reason::kRequestIdReused));
  EXPECT_THAT(Get("user/op", "guests/other"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(GuestServiceTest, RequestIdsOfTwoCallersHaveNothingInCommon) {
  v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "");
  request.set_request_id(MakeUuid());
  ASSERT_THAT(agent_.End(Launch("user/alice", request)), IsOk());

  EXPECT_THAT(Launch("user/bob", request), HasReason(reason::kGuestExists));
  request.set_guest_id("other");
  EXPECT_THAT(agent_.ErrorOf(Launch("user/bob", request)), IsOk());
}

TEST_F(GuestServiceTest, StopRepeatedAfterItsEndIsTheSameOperation) {
  agent_.Run("web", "user/alice");
  v1::StopGuestRequest request;
  request.set_name("guests/web");
  request.set_request_id(MakeUuid());
  const auto first = agent_.Call("user/alice", &Stub::StopGuest, request);
  ASSERT_THAT(agent_.End(first), IsOk());

  const auto again = agent_.Call("user/alice", &Stub::StopGuest, request);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->name(), first->name());
  request.set_force(true);
  EXPECT_THAT(agent_.Call("user/alice", &Stub::StopGuest, request),
              HasReason(reason::kRequestIdReused));
}

TEST_F(GuestServiceTest, VerbsOfTheWrongStateSayWhichItIs) {
  agent_.Run("web", "user/alice");
  EXPECT_THAT(Start("user/alice", "guests/web"),
              HasReason(reason::kGuestNotStartable));
  EXPECT_THAT(Delete("user/alice", "guests/web"),
              HasReason(reason::kGuestNotStopped));
  ASSERT_THAT(agent_.End(Stop("user/alice", "guests/web", true)), IsOk());

  for (const absl::Status& status :
       {Stop("user/alice", "guests/web").status(),
        Stop("user/alice", "guests/web", true).status(),
        Reboot("user/alice", "guests/web").status(),
        Pause("user/alice", "guests/web").status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("it is STOPPED")));
    EXPECT_THAT(status, HasReason(reason::kGuestNotRunning));
    const ErrorDetails details = DetailsOf(status);
    ASSERT_THAT(details.preconditions, SizeIs(1));
    EXPECT_EQ(details.preconditions[0].subject, "guests/web");
  }
  EXPECT_THAT(Resume("user/alice", "guests/web"),
              HasReason(reason::kGuestNotPaused));
}

TEST_F(GuestServiceTest, BusyGuestIsRefusedAndTheVerbNamed) {
  agent_.OnLoop([&] { agent_.driver().HoldLaunches(); });
  const absl::StatusOr<Operation> launch =
      Launch("user/op", TestAgent::MakeLaunch("web", "user/alice"));
  ASSERT_THAT(launch, IsOk());

  const absl::StatusOr<Operation> reboot = Reboot("user/alice", "guests/web");

  EXPECT_THAT(reboot,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("launch")));
  EXPECT_THAT(reboot, HasReason(reason::kGuestBusy));
  EXPECT_EQ(Get("user/alice", "guests/web")->operation(), launch->name());
  agent_.OnLoop([&] { agent_.driver().ReleaseLaunches(); });
  EXPECT_THAT(agent_.ErrorOf(launch), IsOk());
}

TEST_F(GuestServiceTest, ChangedGuestRefusesAnOldEtag) {
  const std::string old = agent_.Run("web", "user/alice").etag();
  ASSERT_THAT(Pause("user/alice", "guests/web"), IsOk());
  v1::StopGuestRequest request;
  request.set_name("guests/web");
  request.set_force(true);
  request.set_etag(old);

  const auto stop = agent_.Call("user/alice", &Stub::StopGuest, request);

  EXPECT_THAT(stop, StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(stop, HasReason(reason::kEtagMismatch));
  request.set_etag(Get("user/alice", "guests/web")->etag());
  EXPECT_THAT(
      agent_.ErrorOf(agent_.Call("user/alice", &Stub::StopGuest, request)),
      IsOk());
}

TEST_F(GuestServiceTest, GracePeriodOutsideItsBoundsIsRefused) {
  agent_.Run("web", "user/alice");
  v1::StopGuestRequest request;
  request.set_name("guests/web");
  for (const int64_t seconds : {int64_t{-1}, int64_t{0}, int64_t{3601}}) {
    request.mutable_grace_period()->set_seconds(seconds);
    const auto stop = agent_.Call("user/alice", &Stub::StopGuest, request);
    EXPECT_THAT(stop, HasReason(reason::kInvalidRequest)) << seconds;
    const ErrorDetails details = DetailsOf(stop.status());
    ASSERT_THAT(details.fields, SizeIs(1)) << seconds;
    EXPECT_EQ(details.fields[0].field, "grace_period");
  }
  EXPECT_EQ(Get("user/alice", "guests/web")->state(), v1::Guest::RUNNING);
}

TEST_F(GuestServiceTest, PausedGuestGoesOnWhenResumed) {
  agent_.Run("web", "user/alice");

  const absl::StatusOr<v1::Guest> paused = Pause("user/alice", "guests/web");
  ASSERT_THAT(paused, IsOk());
  EXPECT_EQ(paused->state(), v1::Guest::PAUSED);
  // Once more changes nothing.
  EXPECT_EQ(Pause("user/alice", "guests/web")->etag(), paused->etag());
  // It has no processors that could heed a power button.
  EXPECT_THAT(Stop("user/alice", "guests/web"),
              HasReason(reason::kGuestNotRunning));

  const absl::StatusOr<v1::Guest> resumed = Resume("user/alice", "guests/web");
  ASSERT_THAT(resumed, IsOk());
  EXPECT_EQ(resumed->state(), v1::Guest::RUNNING);
  EXPECT_EQ(Get("user/alice", "guests/web")->state(), v1::Guest::RUNNING);
}

TEST_F(GuestServiceTest, GuestLivesThroughAllItsVerbs) {
  const std::string uid = agent_.Run("web", "user/alice").uid();

  EXPECT_THAT(agent_.ErrorOf(Reboot("user/alice", "guests/web")), IsOk());
  EXPECT_THAT(agent_.ErrorOf(Stop("user/alice", "guests/web")), IsOk());
  EXPECT_EQ(Get("user/alice", "guests/web")->state(), v1::Guest::STOPPED);
  EXPECT_THAT(agent_.ErrorOf(Start("user/alice", "guests/web")), IsOk());
  EXPECT_EQ(Get("user/alice", "guests/web")->uid(), uid);
  EXPECT_THAT(agent_.ErrorOf(Stop("user/alice", "guests/web", true)), IsOk());
  const absl::StatusOr<Operation> gone =
      agent_.End(Delete("user/alice", "guests/web"));

  ASSERT_THAT(gone, IsOk());
  EXPECT_TRUE(gone->response().Is<google::protobuf::Empty>());
  EXPECT_THAT(Get("user/alice", "guests/web"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(GuestServiceTest, DeletingWhatIsNotThereSucceedsOnlyIfAllowed) {
  agent_.Run("foreign", "user/bob");

  EXPECT_THAT(Delete("user/alice", "guests/no"),
              HasReason(reason::kGuestNotFound));
  for (const char* name : {"guests/no", "guests/foreign"}) {
    const absl::StatusOr<Operation> gone = Delete("user/alice", name, true);
    ASSERT_THAT(gone, IsOk()) << name;
    EXPECT_TRUE(gone->done());
    EXPECT_TRUE(gone->response().Is<google::protobuf::Empty>());
  }
  // What is absent for one is not touched.
  EXPECT_EQ(Get("user/bob", "guests/foreign")->state(), v1::Guest::RUNNING);
  // Nor does it stretch anybody's rights.
  EXPECT_THAT(Delete("service/ci", "guests/no", true),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(GuestServiceTest, ForwardedLaunchHasTheNamesThatTheServerChose) {
  const std::string operation = MakeUuid();
  const std::string uid = MakeUuid();
  grpc::ClientContext context;
  SetDelegation(&context, {*Principal::Parse("user/alice"), operation, uid, 1});

  const absl::StatusOr<Operation> launch =
      agent_.Call("server/s2", &Stub::LaunchGuest,
                  TestAgent::MakeLaunch("web", ""), &context);

  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->name(), absl::StrCat("operations/", operation));
  ASSERT_THAT(agent_.End(launch), IsOk());
  const absl::StatusOr<v1::Guest> guest = Get("user/alice", "guests/web");
  ASSERT_THAT(guest, IsOk());
  EXPECT_EQ(guest->uid(), uid);
  EXPECT_EQ(guest->owner(), "user/alice");
  EXPECT_EQ(guest->requested_by(), "user/alice");
}

}  // namespace
}  // namespace innkeeper
