// Who gets into an agent over mutual TLS, and what of it each one sees.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/certificate_builder.h"
#include "auth/delegation.h"
#include "auth/principal.h"
#include "auth/testing/test_pki.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// One host for all tests: none of them changes it.
class AgentAccessTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    lab_ = new Lab();
    ASSERT_THAT(lab_->Start(), IsOk());
    const Caller caller = lab_->As("user/operator");
    for (const auto& [id, owner] : {std::make_pair("a-web", "user/tenant-a"),
                                    std::make_pair("b-web", "user/tenant-b")}) {
      ASSERT_THAT(caller.Finish(caller.Launch(PausedGuest(id, owner))), IsOk());
    }
  }
  static void TearDownTestSuite() {
    delete lab_;
    lab_ = nullptr;
  }

  // A call that the gate would put on record, whatever it decides.
  static absl::Status Knock(std::shared_ptr<grpc::Channel> channel) {
    return Caller(std::move(channel)).Stop("no-such", true).status();
  }

  // `certificate` is refused by the handshake: the gate never sees a call.
  static void ExpectTurnedAway(const TestCertificate& certificate) {
    ExpectTurnedAway(lab_->ChannelWith(certificate));
  }
  static void ExpectTurnedAway(std::shared_ptr<grpc::Channel> channel) {
    const std::string before = lab_->AuditLog();
    const absl::Status status = Knock(std::move(channel));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(status, HasReason(""));
    EXPECT_EQ(lab_->AuditLog(), before);
  }

  static Lab* lab_;
};

Lab* AgentAccessTest::lab_ = nullptr;

std::vector<std::string> Names(
    const absl::StatusOr<std::vector<v1::Guest>>& guests) {
  EXPECT_THAT(guests, IsOk());
  std::vector<std::string> names;
  if (!guests.ok()) return names;
  for (const v1::Guest& guest : *guests) names.push_back(guest.name());
  return names;
}

// All that a caller is told, with the name of `guest` taken out.
std::string Told(const absl::Status& status, const std::string& guest) {
  const ErrorDetails details = DetailsOf(status);
  std::string told =
      absl::StrCat(status.code(), " ", status.message(), " ", details.reason);
  for (const auto& [key, value] : details.metadata) {
    absl::StrAppend(&told, " ", key, "=", value);
  }
  return absl::StrReplaceAll(told, {{guest, "GUEST"}});
}

TEST_F(AgentAccessTest, AGoodCertificateIsLetIn) {
  const std::string before = lab_->AuditLog();

  EXPECT_THAT(Knock(lab_->ChannelAs("user/tenant-a")),
              StatusIs(absl::StatusCode::kNotFound));

  // Those that are turned away leave no such line.
  EXPECT_NE(lab_->AuditLog(), before);
}

TEST_F(AgentAccessTest, NoCertificateIsTurnedAway) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = lab_->pki().ca_pem();
  ExpectTurnedAway(
      grpc::CreateChannel(lab_->address(), grpc::SslCredentials(options)));
}

TEST_F(AgentAccessTest, PlainTextIsTurnedAway) {
  const absl::Status status = Knock(
      grpc::CreateChannel(lab_->address(), grpc::InsecureChannelCredentials()));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(AgentAccessTest, AnotherAuthorityIsTurnedAway) {
  const TestPki other;
  ExpectTurnedAway(other.Issue("user/admin"));
}

TEST_F(AgentAccessTest, ASelfSignedCertificateIsTurnedAway) {
  ExpectTurnedAway(lab_->pki().SelfSigned(lab_->pki().Template("user/admin")));
}

TEST_F(AgentAccessTest, AnExpiredCertificateIsTurnedAway) {
  CertificateTemplate content = lab_->pki().Template("user/admin");
  content.start_time = absl::Now() - absl::Hours(1);
  content.expire_time = absl::Now() - absl::Minutes(1);
  ExpectTurnedAway(lab_->pki().Issue(content, "user"));
}

TEST_F(AgentAccessTest, ACertificateWithTwoNamesIsTurnedAway) {
  CertificateTemplate content = lab_->pki().Template("user/tenant-a");
  content.uris.push_back(
      absl::StrCat("spiffe://", std::string(kTestTrustDomain), "/user/admin"));
  ExpectTurnedAway(lab_->pki().Issue(content, "user"));
}

TEST_F(AgentAccessTest, ACommonNameAloneIsTurnedAway) {
  CertificateTemplate content = lab_->pki().Template("user/admin");
  content.uris.clear();
  ExpectTurnedAway(lab_->pki().Issue(content, "user"));
}

TEST_F(AgentAccessTest, AKindThatIsNotItsIssuersIsTurnedAway) {
  ExpectTurnedAway(
      lab_->pki().Issue(lab_->pki().Template("server/s1"), "user"));
  ExpectTurnedAway(
      lab_->pki().Issue(lab_->pki().Template("user/admin"), "host"));
  ExpectTurnedAway(
      lab_->pki().Issue(lab_->pki().Template("user/admin"), "root"));
}

TEST_F(AgentAccessTest, AnotherTrustDomainIsTurnedAway) {
  CertificateTemplate content = lab_->pki().Template("user/admin");
  content.uris = {"spiffe://elsewhere.test/user/admin"};
  ExpectTurnedAway(lab_->pki().Issue(content, "user"));
}

TEST_F(AgentAccessTest, AStrangerSeesNothingAndMayNothing) {
  const Caller caller = lab_->As("user/stranger");

  EXPECT_THAT(caller.List(), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(caller.Get("a-web"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(caller.Launch(PausedGuest("mine", "user/stranger")),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AgentAccessTest, AnOwnerListsOnlyItsOwn) {
  EXPECT_THAT(Names(lab_->As("user/tenant-a").List()),
              ElementsAre("guests/a-web"));
  EXPECT_THAT(Names(lab_->As("user/tenant-b").List()),
              ElementsAre("guests/b-web"));
  EXPECT_THAT(Names(lab_->As("user/operator").List()),
              ElementsAre("guests/a-web", "guests/b-web"));
}

TEST_F(AgentAccessTest, AnothersGuestIsAsIfItWereAbsent) {
  const Caller caller = lab_->As("user/tenant-b");
  const std::vector<
      std::pair<std::string, std::function<absl::Status(const std::string&)>>>
      calls = {
          {"Get",
           [&](const std::string& id) { return caller.Get(id).status(); }},
          {"Stop",
           [&](const std::string& id) {
             return caller.Stop(id, true).status();
           }},
          {"Start",
           [&](const std::string& id) { return caller.Start(id).status(); }},
          {"Reboot",
           [&](const std::string& id) { return caller.Reboot(id).status(); }},
          {"Delete",
           [&](const std::string& id) { return caller.Delete(id).status(); }},
          {"Pause",
           [&](const std::string& id) {
             v1::PauseGuestRequest request;
             request.set_name("guests/" + id);
             return caller
                 .Call(&v1::Guests::Stub::PauseGuest, caller.guests(), request)
                 .status();
           }},
          {"AttachSerial", [&](const std::string& id) {
             grpc::ClientContext context;
             SetTimeout(&context, kPatience);
             const auto stream = caller.consoles().AttachSerial(&context);
             v1::AttachSerialRequest request;
             request.set_name("guests/" + id);
             stream->Write(request);
             v1::AttachSerialResponse response;
             EXPECT_FALSE(stream->Read(&response));
             return FromGrpcStatus(stream->Finish());
           }}};
  for (const auto& [name, call] : calls) {
    SCOPED_TRACE(name);
    const absl::Status foreign = call("a-web");
    const absl::Status absent = call("no-such");
    EXPECT_THAT(foreign, StatusIs(absl::StatusCode::kNotFound));
    EXPECT_EQ(Told(foreign, "a-web"), Told(absent, "no-such"));
  }
  EXPECT_EQ(lab_->AsRoot().Get("a-web")->state(), v1::Guest::PAUSED);
}

TEST_F(AgentAccessTest, AnOwnerCannotLaunchForAnother) {
  EXPECT_THAT(
      lab_->As("user/tenant-b").Launch(PausedGuest("gift", "user/tenant-a")),
      testing::Not(IsOk()));
  EXPECT_THAT(lab_->AsRoot().Get("gift"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(AgentAccessTest, AnOwnersWatchHoldsOnlyItsOwn) {
  const Caller caller = lab_->As("user/tenant-b");
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  const auto stream =
      caller.guests().WatchGuests(&context, v1::WatchGuestsRequest());
  std::vector<std::string> names;
  v1::WatchGuestsResponse response;
  // The first mark follows the last guest that there is.
  while (stream->Read(&response) && !response.has_progress()) {
    names.push_back(response.guest().name());
  }
  ASSERT_TRUE(response.has_progress());
  context.TryCancel();
  stream->Finish();

  EXPECT_THAT(names, ElementsAre("guests/b-web"));
}

TEST_F(AgentAccessTest, AnOwnersEventsAreOnlyItsOwn) {
  const Caller caller = lab_->As("user/tenant-b");
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  v1::WatchEventsRequest request;
  request.set_from_oldest(true);
  request.set_until_now(true);
  const auto stream = caller.events().WatchEvents(&context, request);
  std::vector<std::string> foreign;
  int own = 0;
  v1::WatchEventsResponse response;
  while (stream->Read(&response)) {
    if (!response.has_event()) continue;
    if (response.event().owner() == "user/tenant-b") {
      ++own;
    } else {
      foreign.push_back(response.event().ShortDebugString());
    }
  }
  EXPECT_THAT(FromGrpcStatus(stream->Finish()), IsOk());

  EXPECT_GT(own, 0);
  EXPECT_THAT(foreign, IsEmpty());
}

TEST_F(AgentAccessTest, AnOwnersOperationsAreOnlyItsOwn) {
  const Caller caller = lab_->As("user/tenant-b");
  const auto list = [](const Caller& who) {
    return who.Call(&google::longrunning::Operations::Stub::ListOperations,
                    who.operations(),
                    google::longrunning::ListOperationsRequest());
  };
  const auto own = list(caller);
  const auto all = list(lab_->As("user/operator"));
  ASSERT_THAT(own, IsOk());
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(own->operations_size(), 1);
  EXPECT_EQ(all->operations_size(), 2);
}

TEST_F(AgentAccessTest, AViewerSeesAllAndChangesNothing) {
  const Caller caller = lab_->As("user/viewer");

  EXPECT_EQ(Names(caller.List()).size(), 2u);
  EXPECT_THAT(caller.Get("a-web"), IsOk());
  for (const absl::Status& status :
       {caller.Stop("a-web", true).status(), caller.Start("a-web").status(),
        caller.Reboot("a-web").status(), caller.Delete("a-web").status(),
        caller.Launch(PausedGuest("new", "user/viewer")).status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied));
    EXPECT_THAT(status, HasReason(reason::kPermissionDenied));
  }
  EXPECT_EQ(caller.Get("a-web")->state(), v1::Guest::PAUSED);
}

TEST_F(AgentAccessTest, OnlyAnAdminUsesReflection) {
  namespace reflection = ::grpc::reflection::v1;
  const auto services = [&](const std::string& principal) {
    const auto stub =
        reflection::ServerReflection::NewStub(lab_->ChannelAs(principal));
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    const auto stream = stub->ServerReflectionInfo(&context);
    reflection::ServerReflectionRequest request;
    request.set_list_services("*");
    stream->Write(request);
    stream->WritesDone();
    reflection::ServerReflectionResponse response;
    int count = 0;
    while (stream->Read(&response)) {
      count += response.list_services_response().service_size();
    }
    const absl::Status status = FromGrpcStatus(stream->Finish());
    return status.ok() ? absl::StatusOr<int>(count)
                       : absl::StatusOr<int>(status);
  };

  EXPECT_THAT(services("user/admin"), IsOkAndHolds(testing::Gt(5)));
  EXPECT_THAT(services("user/operator"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(services("user/tenant-a"),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AgentAccessTest, AUserMayNotSpeakForAnother) {
  const Caller caller = lab_->As("user/operator");
  grpc::ClientContext context;
  SetTimeout(&context, kPatience);
  SetDelegation(&context, Delegation{*Principal::Parse("user/admin"), "", ""});
  v1::WhoAmIResponse response;

  const absl::Status status = FromGrpcStatus(
      caller.policy().WhoAmI(&context, v1::WhoAmIRequest(), &response));

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(status, HasReason(reason::kDelegationRefused));
}

TEST_F(AgentAccessTest, AServerActsOnlyWithTheRightsOfItsCaller) {
  const Caller caller = lab_->As("server/s1");
  const auto get = [&](const std::string& principal) {
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    SetDelegation(&context, Delegation{*Principal::Parse(principal), "", ""});
    v1::GetGuestRequest request;
    request.set_name("guests/a-web");
    v1::Guest guest;
    return FromGrpcStatus(caller.guests().GetGuest(&context, request, &guest));
  };

  EXPECT_THAT(get("user/tenant-a"), IsOk());
  EXPECT_THAT(get("user/tenant-b"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(get("user/stranger"),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

}  // namespace
}  // namespace innkeeper
