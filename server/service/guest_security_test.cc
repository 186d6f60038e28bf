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
using Guests = v1::Guests::Stub;

class GuestSecurityTest : public testing::Test {
 protected:
  GuestSecurityTest() { request_.set_name("guests/web"); }

  TestCluster cluster_;
  v1::GetGuestSecurityRequest request_;
};

TEST_F(GuestSecurityTest, ForItsOwnerItIsNotShownYet) {
  cluster_.MustLaunch("web", "user/alice");

  EXPECT_THAT(cluster_.Call("user/alice", &Guests::GetGuestSecurity, request_),
              AllOf(StatusIs(absl::StatusCode::kUnimplemented),
                    HasReason(reason::kNotImplemented)));
}

TEST_F(GuestSecurityTest, ForAStrangerThereIsNoSuchGuest) {
  cluster_.MustLaunch("web", "user/alice");

  EXPECT_THAT(cluster_.Call("user/bob", &Guests::GetGuestSecurity, request_),
              AllOf(StatusIs(absl::StatusCode::kNotFound),
                    HasReason(reason::kGuestNotFound)));
}

}  // namespace
}  // namespace innkeeper
