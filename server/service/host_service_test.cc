#include "server/service/host_service.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using Hosts = v1::Hosts::Stub;

constexpr int64_t kGib = int64_t{1} << 30;

template <typename Request>
Request For(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

class HostServiceTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Host> Get(const std::string& caller,
                               const std::string& name) {
    return cluster_.Call(caller, &Hosts::GetHost,
                         For<v1::GetHostRequest>(name));
  }
  absl::StatusOr<v1::ListHostsResponse> List(
      const std::string& caller,
      const v1::ListHostsRequest& request = v1::ListHostsRequest()) {
    return cluster_.Call(caller, &Hosts::ListHosts, request);
  }
  static std::vector<std::string> NamesOf(
      const absl::StatusOr<v1::ListHostsResponse>& page) {
    EXPECT_THAT(page, IsOk());
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const v1::Host& host : page->hosts()) names.push_back(host.name());
    return names;
  }

  TestCluster cluster_;
};

TEST_F(HostServiceTest, OwnerMayNotLookAtHosts) {
  for (const absl::Status& refused :
       {Get("user/alice", "hosts/h1").status(), List("user/alice").status(),
        cluster_
            .Call("user/alice", &Hosts::CordonHost,
                  For<v1::CordonHostRequest>("hosts/h1"))
            .status(),
        cluster_
            .Call("user/alice", &Hosts::RemoveHost,
                  For<v1::RemoveHostRequest>("hosts/h1"))
            .status()}) {
    EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                               HasReason(reason::kPermissionDenied)));
  }
}

TEST_F(HostServiceTest, OperatorMayCordonButNeitherRemoveNorInvite) {
  v1::CreateEnrolmentTokenRequest token;
  token.set_host_id("h3");

  EXPECT_THAT(cluster_.Call("user/op", &Hosts::RemoveHost,
                            For<v1::RemoveHostRequest>("hosts/h1")),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(cluster_.Call("user/op", &Hosts::CreateEnrolmentToken, token),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(cluster_.Call("user/op", &Hosts::CordonHost,
                            For<v1::CordonHostRequest>("hosts/h1")),
              IsOk());
}

TEST_F(HostServiceTest, NobodyEnrolsWithoutAToken) {
  v1::EnrolHostRequest request;
  request.set_host_id("h3");
  request.set_address("h3.test:7440");
  request.set_certificate_request("request");

  for (const char* caller : {"user/root", "user/op", "host/h1", "service/ci"}) {
    EXPECT_THAT(cluster_.Call(caller, &Hosts::EnrolHost, request),
                AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                      HasReason(reason::kPermissionDenied)))
        << caller;
  }
}

TEST_F(HostServiceTest, UnknownHostIsNotFound) {
  for (const absl::Status& refused :
       {Get("user/op", "hosts/h9").status(),
        cluster_
            .Call("user/op", &Hosts::CordonHost,
                  For<v1::CordonHostRequest>("hosts/h9"))
            .status(),
        cluster_
            .Call("user/op", &Hosts::UncordonHost,
                  For<v1::UncordonHostRequest>("hosts/h9"))
            .status(),
        cluster_
            .Call("user/root", &Hosts::RemoveHost,
                  For<v1::RemoveHostRequest>("hosts/h9"))
            .status()}) {
    EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kNotFound,
                                        HasSubstr("'h9' does not exist")),
                               HasReason(reason::kHostNotFound)));
  }
}

TEST_F(HostServiceTest, EveryFaultOfATokensRequestIsNamedAtOnce) {
  v1::CreateEnrolmentTokenRequest request;
  request.set_host_id("H 3");
  request.mutable_valid_for()->set_seconds(1);

  const absl::Status refused =
      cluster_.Call("user/root", &Hosts::CreateEnrolmentToken, request)
          .status();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(refused).fields) {
    fields.push_back(fault.field);
  }
  EXPECT_THAT(fields, UnorderedElementsAre("host_id", "valid_for"));
}

TEST_F(HostServiceTest, HostShowsWhatItSaysAndWhatTheClusterKnows) {
  cluster_.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web"));

  const auto host = Get("user/watcher", "hosts/h1");

  ASSERT_THAT(host, IsOk());
  EXPECT_EQ(host->state(), v1::Host::UP);
  EXPECT_EQ(host->address(), "h1.test:7440");
  EXPECT_EQ(host->capacity().memory_bytes(), 10 * kGib);
  EXPECT_EQ(host->allocated().memory_bytes(), kGib);
  EXPECT_EQ(host->allocated().guest_count(), 1);
  EXPECT_THAT(host->machine_types(), ElementsAre("pc-q35-7.2"));
  EXPECT_FALSE(host->cordoned());
  EXPECT_GT(host->enrol_time().seconds(), 0);
  EXPECT_GT(host->observe_time().seconds(), 0);
}

TEST_F(HostServiceTest, ListIsFilteredSortedAndPaged) {
  EXPECT_THAT(NamesOf(List("user/op")), ElementsAre("hosts/h1", "hosts/h2"));
  v1::ListHostsRequest request;
  request.set_order_by("name desc");
  request.set_page_size(1);

  const auto first = List("user/op", request);
  EXPECT_THAT(NamesOf(first), ElementsAre("hosts/h2"));
  request.set_page_token(first->next_page_token());
  EXPECT_THAT(NamesOf(List("user/op", request)), ElementsAre("hosts/h1"));

  request.Clear();
  request.set_filter("labels.rack = \"h2\" AND state = UP");
  EXPECT_THAT(NamesOf(List("user/op", request)), ElementsAre("hosts/h2"));
  request.set_filter("colour = 1");
  EXPECT_THAT(List("user/op", request),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason(reason::kInvalidFilter)));
}

TEST_F(HostServiceTest, CordonLastsOverARestartUntilItIsTakenBack) {
  const auto cordoned = cluster_.Call("user/op", &Hosts::CordonHost,
                                      For<v1::CordonHostRequest>("hosts/h1"));
  ASSERT_THAT(cordoned, IsOk());
  EXPECT_TRUE(cordoned->cordoned());

  cluster_.Restart();

  EXPECT_TRUE(Get("user/op", "hosts/h1")->cordoned());
  const auto back = cluster_.Call("user/op", &Hosts::UncordonHost,
                                  For<v1::UncordonHostRequest>("hosts/h1"));
  ASSERT_THAT(back, IsOk());
  EXPECT_FALSE(back->cordoned());
  EXPECT_FALSE(Get("user/op", "hosts/h1")->cordoned());
}

TEST_F(HostServiceTest, RemovedHostIsGoneWithItsGuests) {
  cluster_.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web"));

  ASSERT_THAT(cluster_.Call("user/root", &Hosts::RemoveHost,
                            For<v1::RemoveHostRequest>("hosts/h1")),
              IsOk());

  EXPECT_THAT(NamesOf(List("user/op")), ElementsAre("hosts/h2"));
  EXPECT_EQ(cluster_.inventory().table().Find("guests/web"), nullptr);
  cluster_.Restart();
  EXPECT_THAT(NamesOf(List("user/op")), ElementsAre("hosts/h2"));
}

TEST_F(HostServiceTest, TokenIsGivenToTheAdministrator) {
  v1::CreateEnrolmentTokenRequest request;
  request.set_host_id("h3");

  const auto token =
      cluster_.Call("user/root", &Hosts::CreateEnrolmentToken, request);

  ASSERT_THAT(token, IsOk());
  EXPECT_THAT(token->token(), testing::StartsWith("inn1."));
  EXPECT_EQ(token->expire_time().seconds(),
            absl::ToUnixSeconds(cluster_.clock().Now() + absl::Hours(1)));
}

}  // namespace
}  // namespace innkeeper
