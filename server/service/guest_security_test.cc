#include "absl/status/status.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.grpc.pb.h"
#include "server/service/guest_service.h"
#include "server/service/testing/test_cluster.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::SizeIs;
using Guests = v1::Guests::Stub;

class GuestSecurityTest : public testing::Test {
 protected:
  GuestSecurityTest() { request_.set_name("guests/web"); }

  TestCluster cluster_;
  v1::GetGuestSecurityRequest request_;
};

TEST_F(GuestSecurityTest, ItIsReadAtTheGuestsHostUnderItsNameThere) {
  cluster_.h1().AddGuest(MakeTestGuest("web", 'a', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web"));
  cluster_.h2().AddGuest(MakeTestGuest("web", 'b', "user/alice"));
  ASSERT_TRUE(cluster_.AwaitGuest("guests/web-bbbbbb"));
  request_.set_name("guests/web-bbbbbb");

  const auto security =
      cluster_.Call("user/alice", &Guests::GetGuestSecurity, request_);

  ASSERT_THAT(security, IsOk());
  EXPECT_EQ(security->guest(), "guests/web-bbbbbb");
  EXPECT_EQ(security->host(), "hosts/h2");
  EXPECT_THAT(security->checks(), SizeIs(1));
  const auto calls = cluster_.h2().received("/GetGuestSecurity");
  ASSERT_THAT(calls, SizeIs(1));
  v1::GetGuestSecurityRequest sent;
  ASSERT_TRUE(sent.ParseFromString(calls[0].request));
  EXPECT_EQ(sent.name(), "guests/web");
}

TEST_F(GuestSecurityTest, ForAStrangerThereIsNoSuchGuest) {
  cluster_.MustLaunch("web", "user/alice");

  EXPECT_THAT(cluster_.Call("user/bob", &Guests::GetGuestSecurity, request_),
              AllOf(StatusIs(absl::StatusCode::kNotFound),
                    HasReason(reason::kGuestNotFound)));
}

}  // namespace
}  // namespace innkeeper
