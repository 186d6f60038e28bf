#include "rpc/access_table.h"

#include <set>
#include <string>
#include <vector>

#include "auth/role.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/agent/v1/inventory.pb.h"
#include "innkeeper/v1/consoles.pb.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"
#include "innkeeper/v1/policy.pb.h"

namespace innkeeper {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string>& EveryService() {
  static const auto* const kAll =
      new std::vector<std::string>{"google.longrunning.Operations",
                                   "grpc.health.v1.Health",
                                   "grpc.reflection.v1.ServerReflection",
                                   "grpc.reflection.v1alpha.ServerReflection",
                                   "innkeeper.agent.v1.Inventory",
                                   "innkeeper.v1.Consoles",
                                   "innkeeper.v1.Events",
                                   "innkeeper.v1.Guests",
                                   "innkeeper.v1.Hosts",
                                   "innkeeper.v1.Policy"};
  // Without a use the linker would drop the descriptors.
  google::longrunning::Operation().GetDescriptor();
  grpc::health::v1::HealthCheckRequest().GetDescriptor();
  grpc::reflection::v1::ServerReflectionRequest().GetDescriptor();
  grpc::reflection::v1alpha::ServerReflectionRequest().GetDescriptor();
  agent::v1::WatchInventoryRequest().GetDescriptor();
  v1::AttachSerialRequest().GetDescriptor();
  v1::WatchEventsRequest().GetDescriptor();
  v1::GetHostRequest().GetDescriptor();
  v1::WhoAmIRequest().GetDescriptor();
  return *kAll;
}

TEST(AccessTableTest, EveryMethodOfTheApiHasARuleWithAKnownPermission) {
  const auto table = AccessTable::Create(EveryService());
  ASSERT_THAT(table, IsOk());
  EXPECT_GT(table->Rules().size(), 30u);
  for (const AccessRule& rule : table->Rules()) {
    EXPECT_TRUE(IsPermission(rule.permission))
        << rule.method << " asks for " << rule.permission;
  }
}

TEST(AccessTableTest, RuleIsThatOfTheMethodsOption) {
  const auto table = AccessTable::Create(EveryService());
  ASSERT_THAT(table, IsOk());
  const AccessRule* rule =
      table->Find(v1::StartGuestRequest::descriptor(), false);
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->method, "innkeeper.v1.Guests/StartGuest");
  EXPECT_EQ(rule->permission, "guests.start");
  EXPECT_EQ(rule->resource_field, "name");
  EXPECT_EQ(rule->access_class, AccessClass::kB);
}

TEST(AccessTableTest, CheckAndWatchOfHealthAreToldApart) {
  const auto table = AccessTable::Create(EveryService());
  ASSERT_THAT(table, IsOk());
  const auto* request = grpc::health::v1::HealthCheckRequest::descriptor();
  EXPECT_EQ(table->Find(request, false)->method, "grpc.health.v1.Health/Check");
  EXPECT_EQ(table->Find(request, true)->method, "grpc.health.v1.Health/Watch");
}

TEST(AccessTableTest, RequestOfNoMethodHasNoRule) {
  const auto table = AccessTable::Create({"innkeeper.v1.Policy"});
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->Find(v1::StartGuestRequest::descriptor(), false), nullptr);
  EXPECT_EQ(table->Find(v1::WhoAmIRequest::descriptor(), true), nullptr);
}

// Services of a test's own, in the pool that the table reads.
const google::protobuf::FileDescriptor* AddFile(
    const google::protobuf::FileDescriptorProto& file) {
  // The pool keeps the bytes for as long as the process lives.
  static const auto* const kBytes = new std::string(file.SerializeAsString());
  google::protobuf::DescriptorPool::InternalAddGeneratedFile(
      kBytes->data(), static_cast<int>(kBytes->size()));
  return google::protobuf::DescriptorPool::generated_pool()->FindFileByName(
      file.name());
}

TEST(AccessTableTest, MethodWithoutARuleKeepsTheServerFromStarting) {
  google::protobuf::FileDescriptorProto file;
  file.set_name("test/unguarded.proto");
  file.set_package("test");
  file.add_message_type()->set_name("Ask");
  auto* service = file.add_service();
  service->set_name("Unguarded");
  auto* method = service->add_method();
  method->set_name("Do");
  method->set_input_type(".test.Ask");
  method->set_output_type(".test.Ask");
  ASSERT_NE(AddFile(file), nullptr);

  const auto table =
      AccessTable::Create({"innkeeper.v1.Guests", "test.Unguarded", "no.Such"});

  EXPECT_THAT(table, HasReason(reason::kConfigInvalid));
  EXPECT_THAT(table, StatusIs(absl::StatusCode::kFailedPrecondition,
                              AllOf(HasSubstr("test.Unguarded/Do"),
                                    HasSubstr("no.Such is not linked in"))));
}

TEST(AccessTableTest, ServiceThatWasNotNamedIsNotCovered) {
  const auto table = AccessTable::Create({"innkeeper.v1.Guests"});
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->Covers({"innkeeper.v1.Guests"}), IsOk());
  EXPECT_THAT(table->Covers({"innkeeper.v1.Guests", "innkeeper.v1.Hosts"}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("innkeeper.v1.Hosts")));
}

}  // namespace
}  // namespace innkeeper
