#include "rpc/validator.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.pb.h"
#include "gtest/gtest.h"
#include "innkeeper/agent/v1/inventory.pb.h"
#include "innkeeper/v1/consoles.pb.h"
#include "innkeeper/v1/contexts.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "innkeeper/v1/hosts.pb.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Faults(
    const google::protobuf::Message& request,
    Validator::Presence presence = Validator::Presence::kRequired) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation :
       DetailsOf(Validator().Validate(request, presence)).fields) {
    fields.push_back(violation.field);
  }
  return fields;
}

v1::LaunchGuestRequest GoodLaunch() {
  v1::LaunchGuestRequest request;
  request.set_guest_id("web");
  request.set_request_id("3f2504e0-4f89-41d3-9a0c-0305e82c3301");
  request.set_host("hosts/h1");
  request.mutable_guest()->set_owner("user/alice");
  (*request.mutable_guest()->mutable_labels())["env"] = "prod";
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_vcpu_count(1);
  spec.set_memory_bytes(64 << 20);
  spec.set_kernel("pools/main/volumes/vmlinuz");
  spec.set_kernel_command_line("console=ttyS0");
  auto* disk = spec.add_disks();
  disk->set_volume("pools/main/volumes/root.qcow2");
  disk->set_format(v1::GuestSpec::Disk::QCOW2);
  disk->set_mode(v1::GuestSpec::Disk::EPHEMERAL);
  return request;
}

TEST(ValidatorTest, GoodRequestPasses) {
  EXPECT_THAT(Validator().Validate(GoodLaunch()), IsOk());
}

TEST(ValidatorTest, AbsentRequiredFieldsAreNamed) {
  EXPECT_THAT(Faults(v1::LaunchGuestRequest()),
              UnorderedElementsAre("guest_id", "guest"));
  v1::LaunchGuestRequest request = GoodLaunch();
  request.mutable_guest()->mutable_spec()->Clear();
  EXPECT_THAT(Faults(request), UnorderedElementsAre("guest.spec.vcpu_count",
                                                    "guest.spec.memory_bytes"));
}

TEST(ValidatorTest, LaterMessagesNeedNotRepeatRequiredFields) {
  v1::AttachSerialRequest request;
  request.set_input("ls\n");
  EXPECT_THAT(Faults(request), ElementsAre("name"));
  EXPECT_THAT(Faults(request, Validator::Presence::kOptional), IsEmpty());
}

TEST(ValidatorTest, HostileNamesAreRefused) {
  for (const char* name :
       {"web", "guests/", "guests/..", "guests/a/b", "guests/Web", "guests/a-",
        "guests/-a", "guests/a b", "guests/a\n", "hosts/web", "guests/%s",
        "guests/$(x)", "/guests/a", "guests/a."}) {
    v1::GetGuestRequest request;
    request.set_name(name);
    EXPECT_THAT(Faults(request), ElementsAre("name")) << name;
  }
  v1::GetGuestRequest request;
  request.set_name("guests/" + std::string(64, 'a'));
  EXPECT_THAT(Faults(request), ElementsAre("name"));
  request.set_name(std::string("guests/a\0b", 10));
  EXPECT_THAT(Faults(request), ElementsAre("name"));
  request.set_name("guests/" + std::string(63, 'a'));
  EXPECT_THAT(Faults(request), IsEmpty());
}

TEST(ValidatorTest, NamesHaveTheKindOfTheirMethod) {
  v1::GetHostRequest host;
  host.set_name("guests/web");
  EXPECT_THAT(Faults(host), ElementsAre("name"));
  host.set_name("hosts/h1.lab");
  EXPECT_THAT(Faults(host), IsEmpty());
  google::longrunning::GetOperationRequest operation;
  operation.set_name("operations/x");
  EXPECT_THAT(Faults(operation), ElementsAre("name"));
  operation.set_name("operations/3f2504e0-4f89-41d3-9a0c-0305e82c3301");
  EXPECT_THAT(Faults(operation), IsEmpty());
  google::longrunning::ListOperationsRequest list;
  EXPECT_THAT(Faults(list), IsEmpty());
  list.set_name("operations");
  EXPECT_THAT(Faults(list), IsEmpty());
  list.set_name("users");
  EXPECT_THAT(Faults(list), ElementsAre("name"));
}

TEST(ValidatorTest, PathsOfTheHostAreNoVolumes) {
  for (const char* volume :
       {"/etc/shadow", "pools/p/volumes/../x", "pools/../volumes/x",
        "pools/p/volumes/a/b", "pools//volumes/x", "json:{}", "nbd:host:1"}) {
    v1::LaunchGuestRequest request = GoodLaunch();
    request.mutable_guest()->mutable_spec()->mutable_disks(0)->set_volume(
        volume);
    EXPECT_THAT(Faults(request), ElementsAre("guest.spec.disks[0].volume"))
        << volume;
  }
}

TEST(ValidatorTest, ContextsAndTheirPartsHaveNamesOfTheirOwn) {
  v1::LaunchGuestRequest request = GoodLaunch();
  v1::GuestSpec& spec = *request.mutable_guest()->mutable_spec();
  spec.set_context("contexts/build");
  spec.mutable_context_parts()->mutable_identity()->set_name("builder");
  spec.mutable_context_parts()->add_rlimits()->set_resource("core");
  EXPECT_THAT(Validator().Validate(request), IsOk());
  spec.set_context("build");
  EXPECT_THAT(Faults(request), UnorderedElementsAre("guest.spec.context"));

  v1::GetContextRequest get;
  get.set_name("contexts/build");
  EXPECT_THAT(Validator().Validate(get), IsOk());
  for (const char* name : {"build", "guests/build", "contexts/../x"}) {
    get.set_name(name);
    EXPECT_THAT(Faults(get), UnorderedElementsAre("name")) << name;
  }
}

TEST(ValidatorTest, OutputFieldsAreNotLookedAt) {
  v1::LaunchGuestRequest request = GoodLaunch();
  request.mutable_guest()->set_name("nonsense/..");
  request.mutable_guest()->set_uid("x");
  request.mutable_guest()->set_machine_type(std::string(10000, 'x'));
  EXPECT_THAT(Faults(request), IsEmpty());
}

TEST(ValidatorTest, NumbersAndDurationsHaveTheirRange) {
  v1::ListGuestsRequest list;
  list.set_page_size(-1);
  EXPECT_THAT(Faults(list), ElementsAre("page_size"));
  v1::StopGuestRequest stop;
  stop.set_name("guests/web");
  stop.mutable_grace_period()->set_seconds(3601);
  EXPECT_THAT(Faults(stop), ElementsAre("grace_period"));
  stop.mutable_grace_period()->set_seconds(-1);
  EXPECT_THAT(Faults(stop), ElementsAre("grace_period"));
  stop.mutable_grace_period()->set_seconds(3600);
  stop.mutable_grace_period()->set_nanos(1);
  EXPECT_THAT(Faults(stop), ElementsAre("grace_period"));
  stop.mutable_grace_period()->set_nanos(0);
  EXPECT_THAT(Faults(stop), IsEmpty());
}

TEST(ValidatorTest, AnEpochIsWhateverItsLogCallsIt) {
  agent::v1::ListHostEventsRequest request;
  request.set_after_sequence(3);
  for (const char* const epoch :
       {"1795529644864823", "e647251e-c0e4-4783-9edd-f0f28ca4dd79"}) {
    request.set_epoch(epoch);
    EXPECT_THAT(Validator().Validate(request), IsOk()) << epoch;
  }
  request.set_epoch("line\nbreak");
  EXPECT_THAT(Faults(request), ElementsAre("epoch"));
  request.set_epoch(std::string(65, '1'));
  EXPECT_THAT(Faults(request), ElementsAre("epoch"));
}

TEST(ValidatorTest, UnknownEnumValueIsRefused) {
  v1::LaunchGuestRequest request = GoodLaunch();
  request.mutable_guest()->mutable_spec()->set_machine(
      static_cast<v1::GuestSpec::Machine>(77));
  EXPECT_THAT(Faults(request), ElementsAre("guest.spec.machine"));
}

TEST(ValidatorTest, TooManyAndTooLongAreRefused) {
  v1::LaunchGuestRequest request = GoodLaunch();
  auto& disks = *request.mutable_guest()->mutable_spec()->mutable_disks();
  while (disks.size() < 9) *disks.Add() = disks[0];
  for (int i = 0; i < 33; ++i) {
    (*request.mutable_host_labels())["k" + std::to_string(i)] = "v";
  }
  request.mutable_guest()->mutable_spec()->set_kernel_command_line(
      std::string(2001, 'x'));
  EXPECT_THAT(Faults(request),
              UnorderedElementsAre("guest.spec.disks", "host_labels",
                                   "guest.spec.kernel_command_line"));
  v1::ListGuestsRequest list;
  list.set_filter(std::string(4097, 'x'));
  EXPECT_THAT(Faults(list), ElementsAre("filter"));
  list.set_filter("name = \x01");
  EXPECT_THAT(Faults(list), ElementsAre("filter"));
}

TEST(ValidatorTest, LabelsHaveTheirForm) {
  v1::LaunchGuestRequest request = GoodLaunch();
  (*request.mutable_guest()->mutable_labels())["Bad Key"] = "v";
  (*request.mutable_guest()->mutable_labels())["good"] = "bad value";
  EXPECT_THAT(Faults(request), ElementsAre("guest.labels[\"Bad Key\"]",
                                           "guest.labels[\"good\"]"));
}

TEST(ValidatorTest, KernelArgumentsNeedAKernel) {
  v1::LaunchGuestRequest request = GoodLaunch();
  request.mutable_guest()->mutable_spec()->clear_kernel();
  EXPECT_THAT(Faults(request), ElementsAre("guest.spec.kernel_command_line"));
}

TEST(ValidatorTest, FaultsAreBounded) {
  v1::LaunchGuestRequest request = GoodLaunch();
  auto& labels = *request.mutable_host_labels();
  auto& more = *request.mutable_guest()->mutable_labels();
  more.clear();
  for (int i = 0; i < 32; ++i) {
    labels["BAD" + std::to_string(i)] = "!";
    more["BAD" + std::to_string(i)] = "!";
  }
  EXPECT_THAT(Faults(request), SizeIs(64));
  EXPECT_THAT(Validator().Validate(request),
              HasReason(reason::kInvalidRequest));
}

TEST(ValidatorTest, ResourceNamesAreKnown) {
  EXPECT_TRUE(Validator::IsResourceName("guests/web"));
  EXPECT_TRUE(Validator::IsResourceName("hosts/h1"));
  EXPECT_TRUE(Validator::IsResourceName("user/alice"));
  EXPECT_TRUE(Validator::IsResourceName(
      "operations/3f2504e0-4f89-41d3-9a0c-0305e82c3301"));
  EXPECT_FALSE(Validator::IsResourceName("guests/../x"));
  EXPECT_FALSE(Validator::IsResourceName("pools/p/volumes/v"));
  EXPECT_FALSE(Validator::IsResourceName(""));
}

}  // namespace
}  // namespace innkeeper
