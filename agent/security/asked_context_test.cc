#include "agent/security/asked_context.h"

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

  EXPECT_EQ(asked.guest, "web");
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

}  // namespace
}  // namespace innkeeper
