#include "agent/security/asked_context.h"

#include "agent/launch/launch_context.h"
#include "agent/launch/launch_plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::Not;

TEST(AskedContextTest, AllOfAPlanThatTheKernelCanShowIsAsked) {
  LaunchPlan plan;
  plan.guest = "web";
  plan.argv = {"/usr/bin/qemu-system-x86_64", "-nodefaults"};
  plan.images.resize(2);
  plan.overlays.resize(1);
  plan.limits = {768 << 20, 2000, 66};
  GuestProcess process;
  process.pid = 4711;
  process.unix_uid = 1880000002;

  const AskedContext asked = AskedOf(plan, process);

  EXPECT_EQ(asked.group, "web");
  EXPECT_EQ(asked.binary, "/usr/bin/qemu-system-x86_64");
  EXPECT_EQ(asked.process.pid, 4711);
  EXPECT_EQ(asked.process.unix_uid, 1880000002u);
  EXPECT_EQ(asked.files, 3);
  EXPECT_EQ(asked.memory_bytes, 768 << 20);
  EXPECT_EQ(asked.cpu_millis, 2000);
  EXPECT_EQ(asked.pids, 66);
  EXPECT_EQ(asked.limits.at("Max processes"), 66);
  EXPECT_EQ(asked.limits.at("Max core file size"), 1);
  EXPECT_THAT(asked.devices, Not(Contains("/dev/kvm")));
  plan.kvm = true;
  EXPECT_THAT(AskedOf(plan, process).devices, Contains("/dev/kvm"));
}

TEST(AskedContextTest, EveryPartOfAContextThatTheKernelCanShowIsAsked) {
  LaunchPlan plan;
  plan.guest = "web";
  plan.limits.pids = 66;
  LaunchContext& context = plan.context;
  context.identity = IdentityKind::kNamed;
  context.groups = {"kvm"};
  context.namespaces.network = NamespaceMode::kNamed;
  context.namespaces.ipc = NamespaceMode::kHost;
  context.namespaces.user = NamespaceMode::kNew;
  context.capabilities = {"net_admin", "chown", "checkpoint_restore"};
  context.rlimits = {{"nofile", 4096}, {"as", 1 << 30}};
  context.nice = 5;
  context.oom_score_adj = 700;
  context.cpu_affinity = "3,0,1";
  context.cgroup.cpu_weight = 50;
  context.environment = {{"TMPDIR", "/tmp"}};
  context.apparmor.value = "innkeeper";
  context.selinux.value = "u:r:t";
  context.cgroup.slice = "lab";
  context.landlock = LandlockMode::kRequired;

  const AskedContext asked = AskedOf(plan, GuestProcess());

  EXPECT_FALSE(asked.own_groups_only);
  EXPECT_EQ(asked.namespaces.at("net"), AskedNamespace::kNotHost);
  EXPECT_EQ(asked.namespaces.at("ipc"), AskedNamespace::kHost);
  EXPECT_EQ(asked.namespaces.at("user"), AskedNamespace::kOwn);
  EXPECT_EQ(asked.namespaces.at("uts"), AskedNamespace::kOwn);
  EXPECT_EQ(asked.capabilities,
            uint64_t{1} << 12 | uint64_t{1} | uint64_t{1} << 40);
  EXPECT_EQ(asked.limits.at("Max open files"), 4096);
  EXPECT_EQ(asked.limits.at("Max address space"), 1 << 30);
  // The kernel counts all processes of a uid.
  EXPECT_EQ(asked.limits.count("Max processes"), 0u);
  EXPECT_EQ(asked.nice, 5);
  EXPECT_EQ(asked.oom_score, 700);
  EXPECT_EQ(asked.affinity, "0-1,3");
  EXPECT_EQ(asked.cpu_weight, 50);
  EXPECT_THAT(asked.variables, Contains("TMPDIR"));
  EXPECT_EQ(asked.apparmor, "innkeeper");
  EXPECT_EQ(asked.selinux, "u:r:t");
  EXPECT_EQ(asked.group, "lab.slice/web");
  EXPECT_TRUE(asked.landlock_required);
}

TEST(AskedContextTest, ContextIsAskedAlsoWithoutAPlan) {
  LaunchContext context;
  context.nice = 5;

  const AskedContext asked =
      AskedWithoutPlan("web", context, GuestProcess(), "no disk");

  EXPECT_EQ(asked.group, "web");
  EXPECT_EQ(asked.nice, 5);
  EXPECT_EQ(asked.no_plan, "no disk");
}

}  // namespace
}  // namespace innkeeper
