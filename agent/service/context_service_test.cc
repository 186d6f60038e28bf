#include "agent/service/context_service.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/service/context_access.h"
#include "agent/service/testing/test_agent.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/protobuf/empty.pb.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/contexts.grpc.pb.h"
#include "innkeeper/v1/events.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using Contexts = v1::Contexts::Stub;
using Guests = v1::Guests::Stub;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class ContextServiceTest : public testing::Test {
 protected:
  static v1::CreateContextRequest Make(const std::string& id,
                                       std::vector<std::string> users) {
    v1::CreateContextRequest request;
    request.set_context_id(id);
    for (const std::string& user : users) {
      request.mutable_context()->add_users(user);
    }
    request.mutable_context()->mutable_spec()->set_nice(7);
    request.mutable_context()->mutable_spec()->add_groups("audio");
    return request;
  }
  absl::StatusOr<v1::Context> Create(const std::string& caller,
                                     const v1::CreateContextRequest& request) {
    return agent_.Call(caller, &Contexts::CreateContext, request);
  }
  absl::StatusOr<v1::Context> Get(const std::string& caller,
                                  const std::string& name) {
    v1::GetContextRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Contexts::GetContext, request);
  }
  std::vector<std::string> List(const std::string& caller) {
    const auto page =
        agent_.Call(caller, &Contexts::ListContexts, v1::ListContextsRequest());
    EXPECT_THAT(page, IsOk());
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const v1::Context& context : page->contexts()) {
      names.push_back(context.name());
    }
    return names;
  }
  absl::Status Delete(const std::string& caller, const std::string& name,
                      const std::string& etag = "") {
    v1::DeleteContextRequest request;
    request.set_name(name);
    request.set_etag(etag);
    return agent_.Call(caller, &Contexts::DeleteContext, request).status();
  }
  // A guest of user/alice in the context "build", and what else `change` says.
  static v1::LaunchGuestRequest MakeLaunch(
      const std::function<void(v1::ContextSpec*)>& change = nullptr) {
    v1::LaunchGuestRequest request = TestAgent::MakeLaunch("web", "user/alice");
    v1::GuestSpec* const spec = request.mutable_guest()->mutable_spec();
    spec->set_context("contexts/build");
    if (change) change(spec->mutable_context_parts());
    return request;
  }
  absl::StatusOr<Operation> Launch(const std::string& caller,
                                   const v1::LaunchGuestRequest& request) {
    return agent_.End(agent_.Call(caller, &Guests::LaunchGuest, request));
  }
  absl::StatusOr<v1::ExplainLaunchResponse> Explain(
      const std::string& caller, const v1::LaunchGuestRequest& launch) {
    v1::ExplainLaunchRequest request;
    *request.mutable_launch() = launch;
    return agent_.Call(caller, &Guests::ExplainLaunch, request);
  }
  // What a watch of everything kept is sent about contexts.
  std::vector<std::string> ContextEvents(const std::string& caller) {
    grpc::ClientContext context;
    SetTimeout(&context, TestAgent::kPatience);
    v1::WatchEventsRequest request;
    request.set_from_oldest(true);
    request.set_until_now(true);
    const auto stub = v1::Events::NewStub(agent_.Channel(caller));
    const auto watch = stub->WatchEvents(&context, request);
    std::vector<std::string> seen;
    v1::WatchEventsResponse response;
    while (watch->Read(&response)) {
      const v1::Event& event = response.event();
      if (response.has_event() && event.type().substr(0, 8) == "context.") {
        seen.push_back(absl::StrCat(event.type(), " ", event.message(), " by ",
                                    event.caller()));
      }
    }
    EXPECT_THAT(FromGrpcStatus(watch->Finish()), IsOk());
    return seen;
  }
  std::vector<std::string> HostContexts(const std::string& caller) {
    v1::GetHostRequest request;
    request.set_name("hosts/h1");
    const auto host = agent_.Call(caller, &v1::Hosts::Stub::GetHost, request);
    EXPECT_THAT(host, IsOk());
    if (!host.ok()) return {"error"};
    return {host->contexts().begin(), host->contexts().end()};
  }

  TestAgent agent_;
};

TEST_F(ContextServiceTest, AdministratorOfTheHostDefinesAContext) {
  const auto made = Create("user/admin1", Make("build", {"user/alice"}));

  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->name(), "contexts/build");
  EXPECT_EQ(made->host(), "hosts/h1");
  EXPECT_EQ(made->creator(), "user/admin1");
  EXPECT_EQ(made->spec().nice(), 7);
  EXPECT_EQ(Get("user/alice", "contexts/build")->etag(), made->etag());
}

TEST_F(ContextServiceTest, NobodyElseDefinesOrDeletesOne) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/*"})), IsOk());

  for (const char* caller :
       {"user/op", "user/alice", "user/watcher", "user/site", "user/admin2"}) {
    EXPECT_THAT(Create(caller, Make("mine", {})),
                StatusIs(absl::StatusCode::kPermissionDenied))
        << caller;
    EXPECT_THAT(Delete(caller, "contexts/build"),
                StatusIs(absl::StatusCode::kPermissionDenied))
        << caller;
  }
  EXPECT_THAT(List("user/root"), ElementsAre("contexts/build"));
}

TEST_F(ContextServiceTest, WhatOneMayNotUseIsAbsentInGetListEventsAndHost) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/alice"})), IsOk());

  for (const char* caller :
       {"user/bob", "user/op", "user/watcher", "user/site", "user/admin2"}) {
    EXPECT_THAT(
        Get(caller, "contexts/build"),
        StatusIs(absl::StatusCode::kNotFound, "context 'build' does not exist"))
        << caller;
    EXPECT_THAT(
        Get(caller, "contexts/no"),
        StatusIs(absl::StatusCode::kNotFound, "context 'no' does not exist"))
        << caller;
    EXPECT_THAT(List(caller), IsEmpty()) << caller;
    EXPECT_THAT(ContextEvents(caller), IsEmpty()) << caller;
  }
  for (const char* caller : {"user/op", "user/watcher", "user/site"}) {
    EXPECT_THAT(HostContexts(caller), IsEmpty()) << caller;
  }
}

TEST_F(ContextServiceTest, WhoMayUseItListsItAndAdministratorsSeeItsEvents) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/alice"})), IsOk());
  ASSERT_THAT(Create("user/root", Make("all", {"user/*"})), IsOk());
  ASSERT_THAT(Delete("user/root", "contexts/all"), IsOk());

  EXPECT_THAT(List("user/alice"), ElementsAre("contexts/build"));
  for (const char* caller : {"user/root", "user/admin1"}) {
    EXPECT_THAT(List(caller), ElementsAre("contexts/build"));
    EXPECT_THAT(ContextEvents(caller),
                ElementsAre("context.created context build by user/root",
                            "context.created context all by user/root",
                            "context.deleted context all by user/root"));
    EXPECT_THAT(HostContexts(caller), ElementsAre("contexts/build"));
  }
}

TEST_F(ContextServiceTest, ContextWithFaultsIsRefusedWithAllOfThem) {
  v1::CreateContextRequest request = Make("build", {"alice"});
  request.mutable_context()->mutable_spec()->set_nice(40);
  request.mutable_context()->mutable_spec()->set_root("/etc");

  const auto refused = Create("user/root", request);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(refused.status()).fields) {
    fields.push_back(fault.field);
  }
  EXPECT_THAT(fields, UnorderedElementsAre("context.users", "context.spec.nice",
                                           "context.spec.root"));
}

TEST_F(ContextServiceTest, PartThatTheHostCannotGiveIsRefusedByName) {
  v1::CreateContextRequest request = Make("build", {});
  request.mutable_context()->mutable_spec()->mutable_selinux()->set_value(
      "u:r:t");

  const auto refused = Create("user/root", request);

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(refused, HasReason(reason::kContextUnavailable));
  const auto preconditions = DetailsOf(refused.status()).preconditions;
  ASSERT_EQ(preconditions.size(), 1u);
  EXPECT_EQ(preconditions[0].subject, "context.spec.selinux");
  EXPECT_THAT(List("user/root"), IsEmpty());
}

TEST_F(ContextServiceTest, ContextOfAnotherHostIsForTheServer) {
  v1::CreateContextRequest request = Make("build", {});
  request.set_host("hosts/h2");

  EXPECT_THAT(Create("user/root", request), HasReason(reason::kHostNotFound));
}

TEST_F(ContextServiceTest, EtagGuardsTheDeletion) {
  const auto made = Create("user/root", Make("build", {}));
  ASSERT_THAT(made, IsOk());

  EXPECT_THAT(Delete("user/root", "contexts/build", "other"),
              HasReason(reason::kEtagMismatch));
  EXPECT_THAT(Delete("user/root", "contexts/build", made->etag()), IsOk());
  EXPECT_THAT(Delete("user/root", "contexts/build"),
              HasReason(reason::kContextNotFound));
}

TEST_F(ContextServiceTest, GuestRunsInTheContextThatAdmitsItsOwner) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/alice"})), IsOk());

  // The owner, and an operator for an owner who is away.
  for (const char* caller : {"user/alice", "user/op"}) {
    v1::LaunchGuestRequest request = MakeLaunch();
    request.set_guest_id(caller == std::string("user/op") ? "two" : "one");
    const auto done = Launch(caller, request);

    ASSERT_THAT(done, IsOk());
    v1::Guest guest;
    ASSERT_TRUE(done->response().UnpackTo(&guest)) << done->DebugString();
    EXPECT_EQ(guest.spec().context(), "contexts/build");
    EXPECT_EQ(guest.effective_context().nice(), 7);
    EXPECT_THAT(guest.effective_context().groups(), ElementsAre("audio"));
  }
}

TEST_F(ContextServiceTest, OperatorWhoIsListedLaunchesForAnyOwner) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/op"})), IsOk());

  EXPECT_THAT(Launch("user/op", MakeLaunch()), IsOk());
}

TEST_F(ContextServiceTest, ContextThatAdmitsNeitherLooksAbsent) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/bob"})), IsOk());
  v1::LaunchGuestRequest absent = MakeLaunch();
  absent.mutable_guest()->mutable_spec()->set_context("contexts/no");

  for (const char* caller : {"user/alice", "user/op"}) {
    EXPECT_THAT(Launch(caller, MakeLaunch()),
                StatusIs(absl::StatusCode::kNotFound,
                         "context 'build' does not exist"));
    EXPECT_THAT(Launch(caller, MakeLaunch()),
                HasReason(reason::kContextNotFound));
    EXPECT_THAT(
        Launch(caller, absent),
        StatusIs(absl::StatusCode::kNotFound, "context 'no' does not exist"));
  }
  EXPECT_THAT(Launch("user/root", MakeLaunch()), IsOk());
}

TEST_F(ContextServiceTest, OnlyAdministratorsChooseWhatWidens) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/*"})), IsOk());
  const v1::LaunchGuestRequest request = MakeLaunch([](v1::ContextSpec* parts) {
    parts->set_nice(-5);
    parts->set_root("tools");
    parts->add_capabilities("net_admin");
    parts->mutable_cgroup()->set_pid_count(4000);
  });

  for (const char* caller : {"user/alice", "user/op"}) {
    const auto refused = Launch(caller, request);

    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied));
    EXPECT_THAT(refused, HasReason(reason::kContextPartRefused));
    std::vector<std::string> subjects;
    for (const auto& part : DetailsOf(refused.status()).preconditions) {
      EXPECT_EQ(part.type, reason::kContextPartRefused);
      subjects.push_back(part.subject);
    }
    EXPECT_THAT(subjects,
                UnorderedElementsAre("guest.spec.context_parts.nice",
                                     "guest.spec.context_parts.root",
                                     "guest.spec.context_parts.capabilities",
                                     "guest.spec.context_parts.cgroup."
                                     "pid_count"));
  }
  EXPECT_THAT(Launch("user/admin1", request), IsOk());
}

TEST_F(ContextServiceTest, TenantNarrowsTheContextThatItNames) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/*"})), IsOk());

  const auto done = Launch("user/alice", MakeLaunch([](v1::ContextSpec* parts) {
                             parts->set_nice(12);
                             parts->set_landlock(v1::ContextSpec::REQUIRED);
                           }));

  ASSERT_THAT(done, IsOk());
  v1::Guest guest;
  ASSERT_TRUE(done->response().UnpackTo(&guest));
  EXPECT_EQ(guest.spec().context_parts().nice(), 12);
  EXPECT_EQ(guest.effective_context().nice(), 12);
  EXPECT_EQ(guest.effective_context().landlock(), v1::ContextSpec::REQUIRED);
  EXPECT_THAT(guest.effective_context().groups(), ElementsAre("audio"));
}

TEST_F(ContextServiceTest, GuestKeepsItsPartsWhenItsContextIsGone) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/*"})), IsOk());
  ASSERT_THAT(Launch("user/alice", MakeLaunch()), IsOk());
  ASSERT_THAT(Delete("user/root", "contexts/build"), IsOk());
  v1::StopGuestRequest stop;
  stop.set_name("guests/web");
  stop.set_force(true);
  ASSERT_THAT(agent_.End(agent_.Call("user/op", &Guests::StopGuest, stop)),
              IsOk());

  v1::StartGuestRequest start;
  start.set_name("guests/web");
  const auto started =
      agent_.End(agent_.Call("user/alice", &Guests::StartGuest, start));

  ASSERT_THAT(started, IsOk());
  v1::Guest guest;
  ASSERT_TRUE(started->response().UnpackTo(&guest)) << started->DebugString();
  EXPECT_EQ(guest.effective_context().nice(), 7);
}

TEST_F(ContextServiceTest, RepeatedLaunchGetsItsAnswerThoughTheContextIsGone) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/*"})), IsOk());
  v1::LaunchGuestRequest request = MakeLaunch();
  request.set_request_id(MakeUuid());
  const auto first = Launch("user/alice", request);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(Delete("user/root", "contexts/build"), IsOk());

  const auto again = Launch("user/alice", request);

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->name(), first->name());
  request.set_request_id(MakeUuid());
  EXPECT_THAT(Launch("user/alice", request),
              HasReason(reason::kContextNotFound));
}

TEST_F(ContextServiceTest, ValidationOnlySaysTheSameAsALaunch) {
  v1::LaunchGuestRequest request = MakeLaunch();
  request.set_validate_only(true);
  EXPECT_THAT(Launch("user/alice", request),
              HasReason(reason::kContextNotFound));
  ASSERT_THAT(Create("user/root", Make("build", {"user/*"})), IsOk());

  const auto checked = Launch("user/alice", request);

  ASSERT_THAT(checked, IsOk());
  v1::Guest guest;
  ASSERT_TRUE(checked->response().UnpackTo(&guest));
  EXPECT_EQ(guest.effective_context().nice(), 7);
}

TEST_F(ContextServiceTest, ExplanationShowsTheContextOrEveryRefusal) {
  ASSERT_THAT(Create("user/root", Make("build", {"user/*"})), IsOk());

  const auto good = Explain("user/alice", MakeLaunch());
  ASSERT_THAT(good, IsOk());
  EXPECT_EQ(good->effective_context().nice(), 7);
  EXPECT_THAT(good->refusals(), IsEmpty());

  const auto bad = Explain("user/alice", MakeLaunch([](v1::ContextSpec* parts) {
                             parts->set_root("tools");
                             parts->set_nice(1);
                           }));
  ASSERT_THAT(bad, IsOk());
  EXPECT_THAT(bad->refusals(), UnorderedElementsAre(HasSubstr("root is for"),
                                                    HasSubstr("nice may be")));

  v1::LaunchGuestRequest absent = MakeLaunch();
  absent.mutable_guest()->mutable_spec()->set_context("contexts/no");
  EXPECT_THAT(Explain("user/alice", absent)->refusals(),
              ElementsAre("context 'no' does not exist"));
}

TEST_F(ContextServiceTest, FaultsOfPartsAreThoseOfTheLaunch) {
  const auto refused =
      Launch("user/root", MakeLaunch([](v1::ContextSpec* parts) {
               parts->set_nice(-50);
               parts->add_namespaces();
             }));

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(refused.status()).fields) {
    fields.push_back(fault.field);
  }
  EXPECT_THAT(fields, Not(IsEmpty()));
  EXPECT_THAT(fields, Contains(HasSubstr("guest.spec.context_parts.")));
}

}  // namespace
}  // namespace innkeeper
