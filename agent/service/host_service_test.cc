#include "agent/service/host_service.h"

#include <string>

#include "absl/status/status.h"
#include "agent/service/testing/test_agent.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/hosts.grpc.pb.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Stub = v1::Hosts::Stub;

class HostServiceTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Host> Get(const std::string& caller,
                               const std::string& name) {
    v1::GetHostRequest request;
    request.set_name(name);
    return agent_.Call(caller, &Stub::GetHost, request);
  }
  absl::StatusOr<v1::ListHostsResponse> List(const std::string& caller) {
    return agent_.Call(caller, &Stub::ListHosts, v1::ListHostsRequest());
  }

  TestAgent agent_;
};

TEST_F(HostServiceTest, OwnersSeeNoHost) {
  EXPECT_THAT(Get("user/alice", "hosts/h1"),
              HasReason(reason::kPermissionDenied));
  EXPECT_THAT(List("user/alice"), HasReason(reason::kPermissionDenied));
}

TEST_F(HostServiceTest, OtherHostsAreAbsent) {
  EXPECT_THAT(Get("user/op", "hosts/h2"), StatusIs(absl::StatusCode::kNotFound,
                                                   "host 'h2' does not exist"));
  EXPECT_THAT(Get("user/op", "hosts/h2"), HasReason(reason::kHostNotFound));
}

TEST_F(HostServiceTest, ListIsTheHostItself) {
  for (const char* caller : {"user/op", "user/watcher", "user/site"}) {
    const absl::StatusOr<v1::ListHostsResponse> list = List(caller);
    ASSERT_THAT(list, IsOk()) << caller;
    ASSERT_THAT(list->hosts(), SizeIs(1)) << caller;
    EXPECT_EQ(list->hosts(0).name(), "hosts/h1");
  }
}

TEST_F(HostServiceTest, HostShowsItsCapacityAndWhatIsAllocated) {
  agent_.Run("web", "user/alice");

  const absl::StatusOr<v1::Host> host = Get("user/op", "hosts/h1");

  ASSERT_THAT(host, IsOk());
  EXPECT_EQ(host->capacity().vcpu_count(), 16);
  EXPECT_EQ(host->allocated().guest_count(), 1);
  EXPECT_EQ(host->state(), v1::Host::UP);
  EXPECT_EQ(host->labels().at("zone"), "a");
}

TEST_F(HostServiceTest, WhatIsTheServersIsUnimplementedHere) {
  v1::CordonHostRequest cordon;
  cordon.set_name("hosts/h1");
  v1::UncordonHostRequest uncordon;
  uncordon.set_name("hosts/h1");
  v1::RemoveHostRequest remove;
  remove.set_name("hosts/h1");
  v1::CreateEnrolmentTokenRequest token;
  token.set_host_id("h2");
  const absl::Status answers[] = {
      agent_.Call("user/root", &Stub::CordonHost, cordon).status(),
      agent_.Call("user/root", &Stub::UncordonHost, uncordon).status(),
      agent_.Call("user/root", &Stub::RemoveHost, remove).status(),
      agent_.Call("user/root", &Stub::CreateEnrolmentToken, token).status(),
  };

  for (const absl::Status& answer : answers) {
    EXPECT_THAT(answer, StatusIs(absl::StatusCode::kUnimplemented,
                                 HasSubstr("ask the server")));
    EXPECT_THAT(answer, HasReason(reason::kNotAtThisScope));
  }
}

TEST_F(HostServiceTest, NobodyEnrolsAtAnAgent) {
  v1::EnrolHostRequest request;
  request.set_host_id("h2");
  request.set_certificate_request("x");
  request.set_address("h2:1");
  // Only a token's bearer may ask at all, and it belongs to the server.
  EXPECT_THAT(agent_.Call("user/root", &Stub::EnrolHost, request),
              HasReason(reason::kPermissionDenied));
}

}  // namespace
}  // namespace innkeeper
