#include "agent/context/context_spec.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/launch/launch_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Every part, each with a value that is right.
ContextSpec Whole() {
  ContextSpec spec;
  spec.identity = ContextIdentity{IdentityKind::kNamed, "builder"};
  spec.groups = {"audio", "video"};
  spec.selinux = LaunchLabel{"system_u:system_r:svirt_t:s0", true};
  spec.apparmor = LaunchLabel{"innkeeper-guest", false};
  spec.namespaces[ContextNamespaceKind::kNetwork] = {NamespaceMode::kNamed,
                                                     "blue"};
  spec.namespaces[ContextNamespaceKind::kUts] = {NamespaceMode::kHost, ""};
  spec.root = "tools";
  spec.capabilities = {"net_admin"};
  spec.seccomp_classes = {SeccompClass::kSpawn};
  spec.landlock = LandlockMode::kRequired;
  spec.cgroup = {"lab", 50, 500, 64 << 20, 90, 1, 2, 3, 4};
  spec.rlimits = {{"nofile", 512}};
  spec.nice = -3;
  spec.cpu_affinity = "0-1";
  spec.oom_score_adj = 700;
  spec.environment = {{"G_DEBUG", "fatal"}};
  return spec;
}

std::vector<std::string> FaultsOf(const ContextSpec& spec) {
  std::vector<std::string> fields;
  for (const FieldViolation& fault : FindContextFaults(spec, "spec")) {
    fields.push_back(fault.field);
  }
  return fields;
}

TEST(ContextSpecTest, ContextOfEveryPartHasNoFault) {
  EXPECT_THAT(FaultsOf(Whole()), IsEmpty());
  EXPECT_THAT(FaultsOf(ContextSpec()), IsEmpty());
}

TEST(ContextSpecTest, OnlyTheOneThatSaysNothingIsEmpty) {
  EXPECT_TRUE(ContextSpec().empty());
  const std::vector<std::function<void(ContextSpec&)>> changes = {
      [](ContextSpec& s) { s.identity.emplace(); },
      [](ContextSpec& s) { s.groups.insert("a"); },
      [](ContextSpec& s) { s.selinux.emplace(); },
      [](ContextSpec& s) { s.apparmor.emplace(); },
      [](ContextSpec& s) { s.namespaces[ContextNamespaceKind::kIpc] = {}; },
      [](ContextSpec& s) { s.root = "r"; },
      [](ContextSpec& s) { s.capabilities.insert("c"); },
      [](ContextSpec& s) { s.seccomp_classes.insert(SeccompClass::kSpawn); },
      [](ContextSpec& s) { s.landlock = LandlockMode::kOff; },
      [](ContextSpec& s) { s.cgroup.io_writes_per_second = 1; },
      [](ContextSpec& s) { s.rlimits["as"] = 0; },
      [](ContextSpec& s) { s.nice = 0; },
      [](ContextSpec& s) { s.cpu_affinity = "0"; },
      [](ContextSpec& s) { s.oom_score_adj = 0; },
      [](ContextSpec& s) { s.environment["A"] = ""; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    ContextSpec spec;
    changes[i](spec);
    EXPECT_FALSE(spec.empty()) << i;
    EXPECT_EQ(PartsOf(spec).size(), 1u) << i;
  }
}

TEST(ContextSpecTest, EveryFaultIsNamedAtOnce) {
  ContextSpec spec = Whole();
  spec.identity->kind = IdentityKind::kPool;
  spec.groups.insert("no group");
  spec.selinux->value = "svirt_t";
  spec.apparmor->value = "";
  spec.namespaces[ContextNamespaceKind::kPid] = {NamespaceMode::kHost, ""};
  spec.namespaces[ContextNamespaceKind::kIpc] = {NamespaceMode::kNew, "x"};
  spec.namespaces[ContextNamespaceKind::kNetwork].name = "../blue";
  spec.root = "/srv/root";
  spec.cgroup.slice = "Lab";
  spec.cgroup.pid_count = 100000;
  spec.rlimits["files"] = 3;
  spec.nice = 20;
  spec.cpu_affinity = "3-1";
  spec.oom_score_adj = -1;
  spec.environment = {{"LD_PRELOAD", "x"}};

  EXPECT_THAT(FaultsOf(spec),
              UnorderedElementsAre(
                  "spec.identity.name", "spec.groups", "spec.selinux.value",
                  "spec.apparmor.value", "spec.namespaces.pid",
                  "spec.namespaces.ipc.name", "spec.namespaces.network.name",
                  "spec.root", "spec.cgroup.slice", "spec.cgroup.pid_count",
                  "spec.rlimits.resource", "spec.nice", "spec.cpu_affinity",
                  "spec.oom_score_adj", "spec.environment"));
}

TEST(ContextSpecTest, EnvironmentHasABoundInAll) {
  ContextSpec spec;
  for (char c = 'A'; c < 'A' + 8; ++c) {
    spec.environment[std::string(1, c)] = std::string(255, 'v');
  }
  EXPECT_THAT(FaultsOf(spec), IsEmpty());

  spec.environment["Z"] = "";

  EXPECT_THAT(FaultsOf(spec), ElementsAre("spec.environment"));
}

TEST(ContextSpecTest, LauncherIsToldEveryPart) {
  const LaunchContext launch = ToLaunchContext(Whole());

  LaunchContext expected;
  expected.identity = IdentityKind::kNamed;
  expected.identity_name = "builder";
  expected.groups = {"audio", "video"};
  expected.selinux = {"system_u:system_r:svirt_t:s0", true};
  expected.apparmor = {"innkeeper-guest", false};
  expected.namespaces.network = NamespaceMode::kNamed;
  expected.namespaces.network_name = "blue";
  expected.namespaces.uts = NamespaceMode::kHost;
  expected.root = "tools";
  expected.capabilities = {"net_admin"};
  expected.allowed_seccomp_classes = {SeccompClass::kSpawn};
  expected.landlock = LandlockMode::kRequired;
  expected.cgroup = Whole().cgroup;
  expected.rlimits = {{"nofile", 512}};
  expected.nice = -3;
  expected.cpu_affinity = "0-1";
  expected.oom_score_adj = 700;
  expected.environment = {{"G_DEBUG", "fatal"}};
  EXPECT_TRUE(launch == expected);
}

TEST(ContextSpecTest, NoContextIsALaunchWithoutOne) {
  EXPECT_TRUE(ToLaunchContext(ContextSpec()) == LaunchContext());
}

TEST(ContextSpecTest, PartsTakeThePlaceOfWhatTheContextSays) {
  ContextSpec parts;
  parts.identity = ContextIdentity{IdentityKind::kOwner, ""};
  parts.root = "other";
  parts.landlock = LandlockMode::kOff;
  parts.nice = 5;
  parts.cpu_affinity = "1";
  parts.oom_score_adj = 0;
  parts.selinux = LaunchLabel{"a:b:c", false};

  const ContextSpec merged = MergeContexts(Whole(), parts);

  ContextSpec expected = Whole();
  expected.identity = parts.identity;
  expected.root = "other";
  expected.landlock = LandlockMode::kOff;
  expected.nice = 5;
  expected.cpu_affinity = "1";
  expected.oom_score_adj = 0;
  expected.selinux = LaunchLabel{"a:b:c", false};
  EXPECT_TRUE(merged == expected);
}

TEST(ContextSpecTest, ListsOfPartsAreAddedToThoseOfTheContext) {
  ContextSpec parts;
  parts.groups = {"kvm"};
  parts.capabilities = {"sys_nice"};
  parts.seccomp_classes = {SeccompClass::kObsolete};
  parts.namespaces[ContextNamespaceKind::kNetwork] = {};
  parts.namespaces[ContextNamespaceKind::kUser] = {};
  parts.rlimits = {{"nofile", 64}, {"core", 0}};
  parts.environment = {{"G_DEBUG", "off"}, {"X", "y"}};

  const ContextSpec merged = MergeContexts(Whole(), parts);

  EXPECT_THAT(merged.groups, ElementsAre("audio", "kvm", "video"));
  EXPECT_THAT(merged.capabilities, ElementsAre("net_admin", "sys_nice"));
  EXPECT_THAT(merged.seccomp_classes,
              ElementsAre(SeccompClass::kObsolete, SeccompClass::kSpawn));
  EXPECT_EQ(merged.namespaces.at(ContextNamespaceKind::kNetwork).mode,
            NamespaceMode::kNew);
  EXPECT_EQ(merged.namespaces.at(ContextNamespaceKind::kNetwork).name, "");
  EXPECT_EQ(merged.namespaces.count(ContextNamespaceKind::kUser), 1u);
  EXPECT_EQ(merged.namespaces.at(ContextNamespaceKind::kUts).mode,
            NamespaceMode::kHost);
  EXPECT_EQ(merged.rlimits.at("nofile"), 64);
  EXPECT_EQ(merged.rlimits.at("core"), 0);
  EXPECT_EQ(merged.environment.at("G_DEBUG"), "off");
  EXPECT_EQ(merged.environment.at("X"), "y");
}

TEST(ContextSpecTest, LimitsOfTheControlGroupCountOneByOne) {
  ContextSpec parts;
  parts.cgroup.cpu_millis = 100;

  const ContextSpec merged = MergeContexts(Whole(), parts);

  EXPECT_EQ(merged.cgroup.cpu_millis, 100);
  EXPECT_EQ(merged.cgroup.slice, "lab");
  EXPECT_EQ(merged.cgroup.io_writes_per_second, 4);
}

TEST(ContextSpecTest, MergingWithNothingChangesNothing) {
  EXPECT_TRUE(MergeContexts(Whole(), ContextSpec()) == Whole());
  EXPECT_TRUE(MergeContexts(ContextSpec(), Whole()) == Whole());
}

TEST(ContextSpecTest, EveryPartHasItsName) {
  EXPECT_THAT(
      PartsOf(Whole()),
      UnorderedElementsAre(
          "identity", "groups", "selinux", "apparmor", "namespaces.network",
          "namespaces.uts", "root", "capabilities", "allowed_seccomp_classes",
          "landlock", "cgroup.slice", "cgroup.cpu_millis", "cgroup.cpu_weight",
          "cgroup.memory_overhead_bytes", "cgroup.pid_count",
          "cgroup.io_read_bytes_per_second", "cgroup.io_write_bytes_per_second",
          "cgroup.io_reads_per_second", "cgroup.io_writes_per_second",
          "rlimits.nofile", "nice", "cpu_affinity", "oom_score_adj",
          "environment"));
}

}  // namespace
}  // namespace innkeeper
