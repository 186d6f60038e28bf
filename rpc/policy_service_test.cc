#include "rpc/policy_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/authorizer.h"
#include "auth/policy.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"
#include "rpc/testing/test_server.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class PolicyServiceTest : public testing::Test {
 protected:
  PolicyServiceTest() {
    TestServer::Options options;
    options.services = {"innkeeper.v1.Policy"};
    options.authorizer = &authorizer_;
    options.make = [this](Gate* gate) {
      std::vector<std::unique_ptr<grpc::Service>> services;
      services.push_back(std::make_unique<PolicyService>(gate, &authorizer_,
                                                         "server/s1", "1.2.3"));
      return services;
    };
    server_ = std::make_unique<TestServer>(std::move(options));
  }
  absl::StatusOr<v1::WhoAmIResponse> WhoAmI(const std::string& caller) {
    v1::Policy::Stub stub(server_->Channel(caller));
    grpc::ClientContext context;
    SetTimeout(&context, absl::Seconds(20));
    v1::WhoAmIResponse response;
    const absl::Status status =
        FromGrpcStatus(stub.WhoAmI(&context, v1::WhoAmIRequest(), &response));
    if (!status.ok()) return status;
    return response;
  }

  const Authorizer authorizer_{*Policy::Create(
      {{"admin", "user/root", "all"}, {"owner", "user/*", "own"}})};
  std::unique_ptr<TestServer> server_;
};

TEST_F(PolicyServiceTest, BearerOfAnEnrolmentTokenIsDenied) {
  EXPECT_THAT(WhoAmI("enrol/3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(PolicyServiceTest, CallerLearnsItsRolesAndWhatTheyAllow) {
  const auto root = WhoAmI("user/root");
  const auto alice = WhoAmI("user/alice");

  ASSERT_THAT(root, IsOk());
  ASSERT_THAT(alice, IsOk());
  EXPECT_EQ(root->principal(), "user/root");
  ASSERT_EQ(root->bindings_size(), 2);
  EXPECT_EQ(root->bindings(0).role(), "admin");
  EXPECT_EQ(root->bindings(0).scope(), "all");
  EXPECT_THAT(root->permissions(), Contains("hosts.createToken"));
  ASSERT_EQ(alice->bindings_size(), 1);
  EXPECT_EQ(alice->bindings(0).role(), "owner");
  EXPECT_EQ(alice->bindings(0).scope(), "own");
  EXPECT_THAT(alice->permissions(), Contains("guests.launch"));
  EXPECT_THAT(alice->permissions(), Not(Contains("hosts.cordon")));
}

TEST_F(PolicyServiceTest, CallerWithoutARoleIsToldSo) {
  const auto answer = WhoAmI("service/ci");

  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->principal(), "service/ci");
  EXPECT_THAT(answer->bindings(), IsEmpty());
  EXPECT_THAT(answer->permissions(), Not(Contains("guests.list")));
}

TEST_F(PolicyServiceTest, AnswerTellsWhoGaveItAndFromWhereTheCallCame) {
  const auto answer = WhoAmI("user/alice");

  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->answered_by(), "server/s1");
  EXPECT_EQ(answer->version(), "1.2.3");
  EXPECT_THAT(answer->address(), StartsWith("127.0.0.1:"));
  EXPECT_GT(answer->expire_time().seconds(), absl::ToUnixSeconds(absl::Now()));
}

}  // namespace
}  // namespace innkeeper
