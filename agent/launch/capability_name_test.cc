#include "agent/launch/capability_name.h"

#include <linux/capability.h>

#include <optional>

#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(CapabilityNameTest, NumbersAreTheKernels) {
  EXPECT_EQ(CapabilityNumber("chown"), CAP_CHOWN);
  EXPECT_EQ(CapabilityNumber("net_admin"), CAP_NET_ADMIN);
  EXPECT_EQ(CapabilityNumber("sys_nice"), CAP_SYS_NICE);
  EXPECT_EQ(CapabilityNumber("syslog"), CAP_SYSLOG);
  EXPECT_EQ(CapabilityNumber("checkpoint_restore"), CAP_CHECKPOINT_RESTORE);
}

TEST(CapabilityNameTest, OtherNamesHaveNone) {
  for (const char* bad : {"", "CAP_CHOWN", "Chown", "chown ", "all"}) {
    EXPECT_EQ(CapabilityNumber(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace innkeeper
