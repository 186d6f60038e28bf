#include "agent/launch/launch_context.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

LaunchContext FullContext() {
  LaunchContext context;
  context.identity = IdentityKind::kNamed;
  context.identity_name = "build";
  context.groups = {"kvm", "disk-readers"};
  context.selinux = {"system_u:system_r:svirt_t:s0", true};
  context.apparmor = {"innkeeper-guest", false};
  context.namespaces.network = NamespaceMode::kNamed;
  context.namespaces.network_name = "blue";
  context.namespaces.user = NamespaceMode::kNew;
  context.namespaces.time = NamespaceMode::kNew;
  context.namespaces.ipc = NamespaceMode::kHost;
  context.root = "minimal";
  context.allowed_seccomp_classes = {SeccompClass::kSpawn};
  context.landlock = LandlockMode::kRequired;
  context.cgroup = {"batch", 50,      1500, 256 << 20, 100,
                    1 << 20, 1 << 20, 100,  100};
  context.rlimits = {{"nofile", 512}};
  context.nice = 5;
  context.cpu_affinity = "0-1";
  context.oom_score_adj = 700;
  context.environment = {{"QEMU_AUDIO_DRV", "none"}};
  return context;
}

TEST(LaunchContextTest, ContextWithinEveryBoundHasNoFault) {
  EXPECT_THAT(ValidateContext(LaunchContext()), IsOk());
  EXPECT_THAT(ValidateContext(FullContext()), IsOk());
}

TEST(LaunchContextTest, EveryFaultIsToldAtOnce) {
  LaunchContext context;
  context.groups = {"Root"};
  context.nice = 20;
  context.cgroup.slice = "../..";

  const absl::Status status = ValidateContext(context);

  EXPECT_THAT(status, HasReason(reason::kInvalidRequest));
  ASSERT_THAT(DetailsOf(status).fields, SizeIs(3));
  EXPECT_EQ(DetailsOf(status).fields[0].field, "context.groups");
  EXPECT_EQ(DetailsOf(status).fields[1].field, "context.cgroup.slice");
  EXPECT_EQ(DetailsOf(status).fields[2].field, "context.nice");
}

struct Change {
  const char* field;
  std::function<void(LaunchContext&)> make;
};

class LaunchContextFaultTest : public testing::TestWithParam<Change> {};

TEST_P(LaunchContextFaultTest, IsRefusedByField) {
  LaunchContext context;
  GetParam().make(context);

  const std::vector<ContextFault> faults = FindContextFaults(context);

  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_EQ(faults[0].field, GetParam().field);
  EXPECT_FALSE(faults[0].why.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, LaunchContextFaultTest,
    testing::Values(
        Change{"identity.kind",
               [](LaunchContext& c) {
                 c.identity = static_cast<IdentityKind>(3);
               }},
        Change{"identity.name",
               [](LaunchContext& c) { c.identity = IdentityKind::kNamed; }},
        Change{"identity.name",
               [](LaunchContext& c) { c.identity_name = "build"; }},
        Change{"groups",
               [](LaunchContext& c) {
                 for (size_t i = 0; i <= kMaxContextGroups; ++i) {
                   c.groups.push_back("g" + std::to_string(i));
                 }
               }},
        Change{"groups",
               [](LaunchContext& c) {
                 c.groups = {"a", "a"};
               }},
        Change{"groups", [](LaunchContext& c) { c.groups = {"a:b"}; }},
        Change{"root", [](LaunchContext& c) { c.root = "/srv/root"; }},
        Change{"selinux.value",
               [](LaunchContext& c) { c.selinux.value = "svirt_t"; }},
        Change{"selinux.value",
               [](LaunchContext& c) { c.selinux.value = "a:b:c\nd"; }},
        Change{"selinux.value",
               [](LaunchContext& c) {
                 c.selinux = {"a:b:c:s0:c1,c2", true};
               }},
        Change{"apparmor.value",
               [](LaunchContext& c) { c.apparmor.unique = true; }},
        Change{"apparmor.value",
               [](LaunchContext& c) { c.apparmor.value = "a b"; }},
        Change{"apparmor.value",
               [](LaunchContext& c) {
                 c.apparmor.value =
                     std::string(kMaxSecurityLabelBytes + 1, 'a');
               }},
        Change{"namespaces.network",
               [](LaunchContext& c) {
                 c.namespaces.network = static_cast<NamespaceMode>(3);
               }},
        Change{"namespaces.network.name",
               [](LaunchContext& c) {
                 c.namespaces.network = NamespaceMode::kNamed;
                 c.namespaces.network_name = "../self/ns/net";
               }},
        Change{"namespaces.network.name",
               [](LaunchContext& c) { c.namespaces.network_name = "blue"; }},
        Change{"namespaces.user",
               [](LaunchContext& c) {
                 c.namespaces.user = NamespaceMode::kNamed;
               }},
        Change{"capabilities",
               [](LaunchContext& c) { c.capabilities = {"CAP_NET_ADMIN"}; }},
        Change{"capabilities",
               [](LaunchContext& c) {
                 c.capabilities = {"chown", "chown"};
               }},
        Change{"capabilities",
               [](LaunchContext& c) {
                 c.capabilities = {"net_admin"};
                 c.namespaces.user = NamespaceMode::kNew;
               }},
        Change{"allowed_seccomp_classes",
               [](LaunchContext& c) {
                 c.allowed_seccomp_classes = {static_cast<SeccompClass>(4)};
               }},
        Change{"allowed_seccomp_classes",
               [](LaunchContext& c) {
                 c.allowed_seccomp_classes = {SeccompClass::kSpawn,
                                              SeccompClass::kSpawn};
               }},
        Change{"landlock",
               [](LaunchContext& c) {
                 c.landlock = static_cast<LandlockMode>(3);
               }},
        Change{"cgroup.slice", [](LaunchContext& c) { c.cgroup.slice = ".."; }},
        Change{"cgroup.cpu_weight",
               [](LaunchContext& c) { c.cgroup.cpu_weight = 10001; }},
        Change{"cgroup.cpu_millis",
               [](LaunchContext& c) { c.cgroup.cpu_millis = 9; }},
        Change{"cgroup.memory_overhead_bytes",
               [](LaunchContext& c) { c.cgroup.memory_overhead_bytes = -1; }},
        Change{"cgroup.pid_count",
               [](LaunchContext& c) { c.cgroup.pid_count = 1; }},
        Change{
            "cgroup.io_read_bytes_per_second",
            [](LaunchContext& c) { c.cgroup.io_read_bytes_per_second = -1; }},
        Change{"cgroup.io_writes_per_second",
               [](LaunchContext& c) {
                 c.cgroup.io_writes_per_second = int64_t{1} << 51;
               }},
        Change{"rlimits.resource",
               [](LaunchContext& c) {
                 c.rlimits = {{"rss", 1}};
               }},
        Change{"rlimits.value",
               [](LaunchContext& c) {
                 c.rlimits = {{"cpu", -1}};
               }},
        Change{"rlimits",
               [](LaunchContext& c) {
                 c.rlimits = {{"cpu", 1}, {"cpu", 2}};
               }},
        Change{"nice", [](LaunchContext& c) { c.nice = -21; }},
        Change{"oom_score_adj", [](LaunchContext& c) { c.oom_score_adj = -1; }},
        Change{"cpu_affinity",
               [](LaunchContext& c) { c.cpu_affinity = "3-1"; }},
        Change{"environment",
               [](LaunchContext& c) {
                 c.environment = {{"LD_PRELOAD", "x"}};
               }},
        Change{"environment",
               [](LaunchContext& c) {
                 c.environment = {{"PATH", "/x"}};
               }},
        Change{"environment",
               [](LaunchContext& c) {
                 c.environment = {{"GLIBC_TUNABLES", "x"}};
               }},
        Change{"environment",
               [](LaunchContext& c) {
                 c.environment = {{"lower", "x"}};
               }},
        Change{"environment",
               [](LaunchContext& c) {
                 c.environment = {{"A=B", "x"}};
               }},
        Change{"environment",
               [](LaunchContext& c) {
                 c.environment = {{"A", "x\n"}};
               }},
        Change{"environment", [](LaunchContext& c) {
                 for (size_t i = 0; i <= kMaxContextVariables; ++i) {
                   c.environment["A" + std::to_string(i)] = "";
                 }
               }}));

TEST(LaunchContextTest, ContextsThatDifferInAnyPartAreNotEqual) {
  const std::vector<std::function<void(LaunchContext&)>> changes = {
      [](LaunchContext& c) { c.identity = IdentityKind::kOwner; },
      [](LaunchContext& c) { c.identity_name = "other"; },
      [](LaunchContext& c) { c.groups.pop_back(); },
      [](LaunchContext& c) { c.selinux.unique = false; },
      [](LaunchContext& c) { c.apparmor.value = "other"; },
      [](LaunchContext& c) { c.namespaces.network = NamespaceMode::kNew; },
      [](LaunchContext& c) { c.namespaces.network_name = "red"; },
      [](LaunchContext& c) { c.namespaces.user = NamespaceMode::kHost; },
      [](LaunchContext& c) { c.namespaces.ipc = NamespaceMode::kNew; },
      [](LaunchContext& c) { c.namespaces.uts = NamespaceMode::kHost; },
      [](LaunchContext& c) { c.namespaces.cgroup = NamespaceMode::kHost; },
      [](LaunchContext& c) { c.namespaces.time = NamespaceMode::kHost; },
      [](LaunchContext& c) { c.root = ""; },
      [](LaunchContext& c) { c.capabilities = {"net_admin"}; },
      [](LaunchContext& c) { c.allowed_seccomp_classes.clear(); },
      [](LaunchContext& c) { c.landlock = LandlockMode::kOff; },
      [](LaunchContext& c) { c.cgroup.slice = "other"; },
      [](LaunchContext& c) { c.cgroup.cpu_weight = 1; },
      [](LaunchContext& c) { c.cgroup.cpu_millis = 0; },
      [](LaunchContext& c) { c.cgroup.memory_overhead_bytes = 0; },
      [](LaunchContext& c) { c.cgroup.pid_count = 0; },
      [](LaunchContext& c) { c.cgroup.io_read_bytes_per_second = 0; },
      [](LaunchContext& c) { c.cgroup.io_write_bytes_per_second = 0; },
      [](LaunchContext& c) { c.cgroup.io_reads_per_second = 0; },
      [](LaunchContext& c) { c.cgroup.io_writes_per_second = 0; },
      [](LaunchContext& c) { c.rlimits[0].value = 1; },
      [](LaunchContext& c) { c.nice.reset(); },
      [](LaunchContext& c) { c.cpu_affinity = "0"; },
      [](LaunchContext& c) { c.oom_score_adj = 0; },
      [](LaunchContext& c) { c.environment.clear(); }};

  for (size_t i = 0; i < changes.size(); ++i) {
    LaunchContext changed = FullContext();
    changes[i](changed);
    EXPECT_NE(changed, FullContext()) << i;
  }
  EXPECT_EQ(FullContext(), FullContext());
}

TEST(LaunchContextTest, CpuListsAreThoseOfCpusets) {
  EXPECT_THAT(*ParseCpuList("0-3,6"), ElementsAre(0, 1, 2, 3, 6));
  EXPECT_THAT(*ParseCpuList("6,2,2-3"), ElementsAre(2, 3, 6));
  EXPECT_THAT(*ParseCpuList("1023"), ElementsAre(1023));
  for (const char* bad : {"", "a", "-1", "1-", "1--2", "0,", " 0", "+1", "1024",
                          "0-1024", "99999999999", "3-2", "0-1-2"}) {
    EXPECT_THAT(ParseCpuList(bad), HasReason(reason::kInvalidRequest)) << bad;
  }
}

}  // namespace
}  // namespace innkeeper
