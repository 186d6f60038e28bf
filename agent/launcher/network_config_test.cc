#include "agent/launcher/network_config.h"

#include <string>

#include "absl/status/status.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

TEST(NetworkConfigTest, BridgeAloneIsANetworkThatAllowsWhatGuestsMayDo) {
  const auto network = ParseNetwork("lan=br0");
  ASSERT_THAT(network, IsOk());
  EXPECT_EQ(network->name, "lan");
  EXPECT_EQ(network->bridge, "br0");
  EXPECT_EQ(network->namespace_name, "");
  EXPECT_FALSE(network->isolated);
  EXPECT_FALSE(network->declared);
  EXPECT_FALSE(network->create);
  EXPECT_EQ(network->mtu, 0u);
}

TEST(NetworkConfigTest, EveryOptionIsRead) {
  const auto network =
      ParseNetwork("lan=br-0.7:netns=red:isolated:declared:create:mtu=9000");
  ASSERT_THAT(network, IsOk());
  EXPECT_EQ(network->bridge, "br-0.7");
  EXPECT_EQ(network->namespace_name, "red");
  EXPECT_TRUE(network->isolated);
  EXPECT_TRUE(network->declared);
  EXPECT_TRUE(network->create);
  EXPECT_EQ(network->mtu, 9000u);
}

TEST(NetworkConfigTest, WhatIsNoNetworkIsRefusedAndNamed) {
  for (const std::string text :
       {"", "lan", "lan=", "=br0", "Lan=br0", "lan=../br0", "lan=br0 x",
        "lan=abcdefghijklmnop", "lan=br0:", "lan=br0:fast",
        "lan=br0:mtu=", "lan=br0:mtu=1279", "lan=br0:mtu=65522",
        "lan=br0:mtu=x", "lan=br0:netns=", "lan=br0:netns=..",
        "lan=br0:netns=a/b", "lan=br0:isolated=yes"}) {
    const auto network = ParseNetwork(text);
    EXPECT_THAT(network, HasReason(reason::kConfigInvalid)) << text;
    EXPECT_THAT(network, StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("'" + text + "'")));
  }
}

}  // namespace
}  // namespace innkeeper
