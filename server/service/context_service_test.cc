#include "server/service/context_service.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/protobuf/empty.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/contexts.grpc.pb.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "innkeeper/v1/hosts.grpc.pb.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using google::protobuf::Empty;
using Contexts = v1::Contexts::Stub;
using Guests = v1::Guests::Stub;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::Status Absent() {
  return Error(absl::StatusCode::kNotFound, reason::kContextNotFound,
               "context 'build' does not exist");
}

class ContextServiceTest : public testing::Test {
 protected:
  ContextServiceTest() {
    for (const char* host : {"h1", "h2"}) Give(host, true);
  }

  // From now on `host` has the context for every caller, or has none.
  void Give(const std::string& host, bool has) {
    v1::Context context;
    context.set_name("contexts/build");
    context.set_host(absl::StrCat("hosts/", host));
    context.set_etag(absl::StrCat("etag-", host));
    v1::ListContextsResponse page;
    if (has) *page.add_contexts() = context;
    FakeAgent& agent = cluster_.agent(host);
    const auto answer = [has](const std::string& bytes) {
      return [has, bytes](
                 const FakeAgent::Received&) -> absl::StatusOr<std::string> {
        if (!has) return Absent();
        return bytes;
      };
    };
    agent.SetAnswer("/CreateContext", [bytes = context.SerializeAsString()](
                                          const FakeAgent::Received&) {
      return absl::StatusOr<std::string>(bytes);
    });
    agent.SetAnswer("/GetContext", answer(context.SerializeAsString()));
    agent.SetAnswer("/DeleteContext", answer(Empty().SerializeAsString()));
    agent.SetAnswer("/ListContexts", [bytes = page.SerializeAsString()](
                                         const FakeAgent::Received&) {
      return absl::StatusOr<std::string>(bytes);
    });
  }
  void TakeDown(const std::string& host) {
    cluster_.agent(host).SetUnreachable(true);
    ASSERT_TRUE(cluster_.AwaitHost(host, v1::Host::UNREACHABLE));
  }
  // `host` reports that it has the context.
  void Report(const std::string& host) {
    v1::Host reported = MakeTestHost(host, int64_t{10} << 30);
    reported.add_contexts("contexts/build");
    cluster_.agent(host).SetHost(reported);
    // A new stream begins with the host.
    cluster_.agent(host).SetUnreachable(true);
    cluster_.agent(host).SetUnreachable(false);
    ASSERT_TRUE(cluster_.Await([&] {
      const auto known = cluster_.inventory().FindHost(host);
      return known.has_value() && known->contexts_size() == 1 &&
             known->state() == v1::Host::UP;
    }));
  }

  absl::StatusOr<v1::Context> Create(const std::string& caller,
                                     const std::string& host = "") {
    v1::CreateContextRequest request;
    request.set_context_id("build");
    request.mutable_context()->mutable_spec()->set_nice(3);
    request.set_host(host);
    return cluster_.Call(caller, &Contexts::CreateContext, request);
  }
  absl::StatusOr<v1::Context> Get(const std::string& caller,
                                  const std::string& host = "") {
    v1::GetContextRequest request;
    request.set_name("contexts/build");
    request.set_host(host);
    return cluster_.Call(caller, &Contexts::GetContext, request);
  }
  absl::StatusOr<v1::ListContextsResponse> List(const std::string& caller) {
    return cluster_.Call(caller, &Contexts::ListContexts,
                         v1::ListContextsRequest());
  }
  absl::Status Delete(const std::string& caller, const std::string& host = "",
                      const std::string& etag = "") {
    v1::DeleteContextRequest request;
    request.set_name("contexts/build");
    request.set_host(host);
    request.set_etag(etag);
    return cluster_.Call(caller, &Contexts::DeleteContext, request).status();
  }
  static v1::LaunchGuestRequest Launch() {
    v1::LaunchGuestRequest request = MakeTestLaunch("web");
    request.mutable_guest()->mutable_spec()->set_context("contexts/build");
    return request;
  }
  absl::StatusOr<v1::ExplainLaunchResponse> Explain() {
    v1::ExplainLaunchRequest request;
    *request.mutable_launch() = Launch();
    return cluster_.Call("user/alice", &Guests::ExplainLaunch, request);
  }

  static TestCluster::Options SoonUnreachable() {
    TestCluster::Options options;
    options.silence = absl::Seconds(2);
    return options;
  }

  TestCluster cluster_{SoonUnreachable()};
};

TEST_F(ContextServiceTest, ContextIsMadeOnEveryHostForItsCaller) {
  const auto made = Create("user/root");

  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->host(), "");
  for (const char* host : {"h1", "h2"}) {
    const auto calls = cluster_.agent(host).received("/CreateContext");
    ASSERT_THAT(calls, SizeIs(1));
    EXPECT_EQ(calls[0].delegation->caller.ToString(), "user/root");
  }
}

TEST_F(ContextServiceTest, ContextIsMadeOnTheHostThatIsNamed) {
  const auto made = Create("user/admin1", "hosts/h1");

  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->host(), "hosts/h1");
  EXPECT_THAT(cluster_.h2().received("/CreateContext"), IsEmpty());
}

TEST_F(ContextServiceTest, OnlyAdministratorsOfTheHostsChangeThem) {
  for (const char* caller : {"user/op", "user/alice", "user/watcher"}) {
    EXPECT_THAT(Create(caller), StatusIs(absl::StatusCode::kPermissionDenied));
    EXPECT_THAT(Delete(caller), StatusIs(absl::StatusCode::kPermissionDenied));
  }
  EXPECT_THAT(Create("user/admin1"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Create("user/admin1", "hosts/h2"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(cluster_.h1().received("/CreateContext"), IsEmpty());
  EXPECT_THAT(cluster_.h2().received("/CreateContext"), IsEmpty());
}

TEST_F(ContextServiceTest, HostThatRefusesLeavesTheContextNowhere) {
  cluster_.h2().SetAnswer("/CreateContext", [](const FakeAgent::Received&) {
    return absl::StatusOr<std::string>(
        Error(absl::StatusCode::kFailedPrecondition,
              reason::kContextUnavailable, "cannot give selinux")
            .Build());
  });

  const auto refused = Create("user/root");

  EXPECT_THAT(refused, HasReason(reason::kContextUnavailable));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("hosts/h2: cannot give selinux"));
  ASSERT_TRUE(cluster_.Await(
      [&] { return !cluster_.h1().received("/DeleteContext").empty(); }));
  v1::DeleteContextRequest taken_back;
  ASSERT_TRUE(taken_back.ParseFromString(
      cluster_.h1().received("/DeleteContext")[0].request));
  EXPECT_EQ(taken_back.etag(), "etag-h1");
  EXPECT_THAT(cluster_.h2().received("/DeleteContext"), IsEmpty());
}

TEST_F(ContextServiceTest, NothingIsMadeWhileAHostIsDown) {
  TakeDown("h2");

  EXPECT_THAT(Create("user/root"), HasReason(reason::kHostUnreachable));
  EXPECT_THAT(cluster_.h1().received("/CreateContext"), IsEmpty());
  EXPECT_THAT(Create("user/root", "hosts/h1"), IsOk());
}

TEST_F(ContextServiceTest, ListNamesTheHostThatIsDown) {
  const auto whole = List("user/alice");
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(whole->contexts(), SizeIs(2));
  EXPECT_EQ(whole->contexts(0).host(), "hosts/h1");
  EXPECT_EQ(whole->contexts(1).host(), "hosts/h2");
  EXPECT_THAT(whole->unreachable(), IsEmpty());

  TakeDown("h2");
  const auto part = List("user/alice");

  ASSERT_THAT(part, IsOk());
  EXPECT_THAT(part->contexts(), SizeIs(1));
  EXPECT_THAT(part->unreachable(), ElementsAre("hosts/h2"));
}

TEST_F(ContextServiceTest, HostIsNeededWhereSeveralHaveIt) {
  EXPECT_THAT(Get("user/alice"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(Get("user/alice", "hosts/h2")->host(), "hosts/h2");

  Give("h1", false);

  EXPECT_EQ(Get("user/alice")->host(), "hosts/h2");
  EXPECT_THAT(Get("user/alice", "hosts/h1"),
              HasReason(reason::kContextNotFound));
}

TEST_F(ContextServiceTest, ContextOfAHostThatIsNamedAndDownIsNotSaidAbsent) {
  TakeDown("h2");

  EXPECT_THAT(Get("user/alice", "hosts/h2"),
              HasReason(reason::kHostUnreachable));
}

TEST_F(ContextServiceTest, DeletionReachesEveryHostThatHasIt) {
  Give("h2", false);

  EXPECT_THAT(Delete("user/root"), IsOk());
  EXPECT_THAT(cluster_.h1().received("/DeleteContext"), SizeIs(1));
  Give("h1", false);
  EXPECT_THAT(Delete("user/root"), HasReason(reason::kContextNotFound));
}

TEST_F(ContextServiceTest, NothingIsDeletedWhileAHostThatHasItIsDown) {
  Report("h2");
  TakeDown("h2");

  EXPECT_THAT(Delete("user/root"), HasReason(reason::kHostUnreachable));
  EXPECT_THAT(cluster_.h1().received("/DeleteContext"), IsEmpty());
}

TEST_F(ContextServiceTest, EtagGoesWithOneHost) {
  EXPECT_THAT(Delete("user/root", "", "etag-h1"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Delete("user/root", "hosts/h1", "etag-h1"), IsOk());
}

TEST_F(ContextServiceTest, GuestIsPlacedWhereItsContextIs) {
  Report("h2");

  const auto accepted =
      cluster_.Call("user/alice", &Guests::LaunchGuest, Launch());

  ASSERT_THAT(accepted, IsOk());
  ASSERT_THAT(cluster_.Wait(accepted->name()), IsOk());
  EXPECT_THAT(cluster_.h2().launches(), SizeIs(1));
  EXPECT_THAT(cluster_.h1().launches(), IsEmpty());
  const auto explained = Explain();
  ASSERT_THAT(explained, IsOk());
  EXPECT_THAT(explained->candidates(0).reasons(),
              ElementsAre("context: lacks build"));
}

TEST_F(ContextServiceTest, ContextThatOneMayNotUseIsLikeOneThatIsNowhere) {
  const absl::Status nowhere =
      cluster_.Call("user/alice", &Guests::LaunchGuest, Launch()).status();
  Report("h2");
  cluster_.h2().SetLaunchError(absl::OkStatus());
  cluster_.h2().SetAnswer("/LaunchGuest", [](const FakeAgent::Received&) {
    return absl::StatusOr<std::string>(Absent());
  });

  const absl::Status foreign =
      cluster_.Call("user/alice", &Guests::LaunchGuest, Launch()).status();

  EXPECT_THAT(nowhere, HasReason(reason::kNoHostFits));
  EXPECT_EQ(foreign.code(), nowhere.code());
  EXPECT_EQ(foreign.message(), nowhere.message());
  EXPECT_THAT(std::string(foreign.message()),
              HasSubstr("context: lacks build"));
}

TEST_F(ContextServiceTest, HostsTellTheirContextsToAdministratorsOnly) {
  Report("h1");
  Report("h2");
  const auto shown = [&](const std::string& caller) {
    std::map<std::string, int> counts;
    const auto page = cluster_.Call(caller, &v1::Hosts::Stub::ListHosts,
                                    v1::ListHostsRequest());
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) return counts;
    for (const v1::Host& host : page->hosts()) {
      v1::GetHostRequest request;
      request.set_name(host.name());
      const auto one =
          cluster_.Call(caller, &v1::Hosts::Stub::GetHost, request);
      EXPECT_EQ(one->contexts_size(), host.contexts_size());
      counts[host.name()] = host.contexts_size();
    }
    return counts;
  };

  EXPECT_EQ(shown("user/root"),
            (std::map<std::string, int>{{"hosts/h1", 1}, {"hosts/h2", 1}}));
  EXPECT_EQ(shown("user/admin1"),
            (std::map<std::string, int>{{"hosts/h1", 1}}));
  EXPECT_EQ(shown("user/op"),
            (std::map<std::string, int>{{"hosts/h1", 0}, {"hosts/h2", 0}}));
}

}  // namespace
}  // namespace innkeeper
