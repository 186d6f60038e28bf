#include "agent/service/context_convert.h"

#include <string>
#include <vector>

#include "agent/context/context_record.h"
#include "agent/context/context_spec.h"
#include "base/error.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using google::protobuf::TextFormat;
using google::protobuf::util::MessageDifferencer;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

v1::ContextSpec Parse(const std::string& text) {
  v1::ContextSpec message;
  EXPECT_TRUE(TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

std::vector<std::string> FaultsOf(const std::string& text) {
  std::vector<FieldViolation> faults;
  ParseContextSpec(Parse(text), "spec", &faults);
  std::vector<std::string> fields;
  for (const FieldViolation& fault : faults) fields.push_back(fault.field);
  return fields;
}

TEST(ContextConvertTest, EveryPartComesBackAsItWas) {
  const v1::ContextSpec message = Parse(R"pb(
    identity { kind: NAMED name: "builder" }
    groups: "audio"
    groups: "video"
    selinux { value: "u:r:t" unique: true }
    apparmor { value: "p" }
    namespaces { kind: NETWORK mode: NAMED name: "blue" }
    namespaces { kind: MOUNT mode: NEW }
    namespaces { kind: PID mode: NEW }
    namespaces { kind: USER mode: NEW }
    namespaces { kind: IPC mode: HOST }
    namespaces { kind: UTS mode: HOST }
    namespaces { kind: CGROUP mode: NEW }
    namespaces { kind: TIME mode: NEW }
    root: "tools"
    capabilities: "net_admin"
    allowed_seccomp_classes: OBSOLETE
    allowed_seccomp_classes: ELEVATE_PRIVILEGES
    allowed_seccomp_classes: SPAWN
    allowed_seccomp_classes: RESOURCE_CONTROL
    landlock: REQUIRED
    cgroup {
      slice: "lab"
      cpu_millis: 1
      cpu_weight: 2
      memory_overhead_bytes: 3
      pid_count: 4
      io_read_bytes_per_second: 5
      io_write_bytes_per_second: 6
      io_reads_per_second: 7
      io_writes_per_second: 8
    }
    rlimits { resource: "core" value: 0 }
    rlimits { resource: "nofile" value: 100 }
    nice: 0
    cpu_affinity: "0-1"
    oom_score_adj: 0
    environment { key: "A" value: "b" }
  )pb");

  std::vector<FieldViolation> faults;
  const ContextSpec spec = ParseContextSpec(message, "spec", &faults);

  EXPECT_THAT(faults, IsEmpty());
  EXPECT_TRUE(MessageDifferencer::Equals(ToContextSpec(spec), message))
      << ToContextSpec(spec).DebugString();
}

TEST(ContextConvertTest, EmptyContextSaysNothing) {
  std::vector<FieldViolation> faults;

  const ContextSpec spec = ParseContextSpec({}, "spec", &faults);

  EXPECT_TRUE(spec.empty());
  EXPECT_EQ(ToContextSpec(spec).ByteSizeLong(), 0u);
}

TEST(ContextConvertTest, WhatCannotBeHeldIsNamedAtOnce) {
  EXPECT_THAT(
      FaultsOf(R"pb(
        identity { kind: 9 }
        namespaces { kind: IPC mode: NEW }
        namespaces { kind: IPC mode: HOST }
        namespaces { mode: NEW }
        namespaces { kind: UTS }
        allowed_seccomp_classes: SECCOMP_CLASS_UNSPECIFIED
        landlock: 9
        rlimits { resource: "core" value: 1 }
        rlimits { resource: "core" value: 2 }
      )pb"),
      UnorderedElementsAre("spec.identity.kind", "spec.namespaces[1].kind",
                           "spec.namespaces[2].kind", "spec.namespaces[3].mode",
                           "spec.allowed_seccomp_classes[0]", "spec.landlock",
                           "spec.rlimits[1].resource"));
}

TEST(ContextConvertTest, NewContextHasItsUsersOnceAndSorted) {
  v1::CreateContextRequest request;
  request.set_context_id("build");
  request.mutable_context()->add_users("user/b");
  request.mutable_context()->add_users("user/a");
  request.mutable_context()->add_users("user/b");

  const auto context = ParseContext(request);

  ASSERT_THAT(context, IsOk());
  EXPECT_THAT(context->users, testing::ElementsAre("user/a", "user/b"));
}

TEST(ContextConvertTest, FaultsOfANewContextAreNamedAtOnce) {
  v1::CreateContextRequest request;
  request.set_context_id("B");
  request.mutable_context()->add_users("x");
  request.mutable_context()->mutable_spec()->set_nice(40);
  request.mutable_context()->mutable_spec()->add_namespaces();

  std::vector<std::string> fields;
  for (const FieldViolation& fault :
       DetailsOf(ParseContext(request).status()).fields) {
    fields.push_back(fault.field);
  }

  EXPECT_THAT(fields, UnorderedElementsAre("context_id", "context.users",
                                           "context.spec.nice",
                                           "context.spec.namespaces[0].kind"));
}

}  // namespace
}  // namespace innkeeper
