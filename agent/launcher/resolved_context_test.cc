#include "agent/launcher/resolved_context.h"

#include <linux/capability.h>

#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/context_config.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ContextConfig Config() {
  ContextConfig config;
  config.identities["build"].uid = config.identities["build"].gid = 2000;
  config.identities["build"].groups = {44};
  config.owners["user/ada"].uid = config.owners["user/ada"].gid = 3000;
  config.groups = {{"disks", 6}, {"video", 44}};
  config.roots = {{"minimal", "/srv/root"}};
  config.capabilities = {"net_admin"};
  return config;
}

ContextOffer Offer() {
  ContextOffer offer;
  offer.identities = {"build"};
  offer.owners = {"user/ada"};
  offer.groups = {"disks", "video"};
  offer.roots = {"minimal"};
  offer.capabilities = {"net_admin"};
  offer.rlimits = {{"nofile", 4096}};
  offer.cpus = "0-3";
  offer.landlock_abi = 3;
  offer.selinux = true;
  return offer;
}

TEST(ResolvedContextTest, NoContextIsThePoolsIdentityAndLandlock) {
  const auto resolved =
      ResolveContext(LaunchContext(), "user/ada", Config(), Offer());

  ASSERT_THAT(resolved, IsOk());
  EXPECT_TRUE(resolved->has_pool_identity());
  EXPECT_THAT(resolved->qemu.groups, IsEmpty());
  EXPECT_EQ(resolved->qemu.capabilities, 0u);
  EXPECT_TRUE(resolved->qemu.no_new_privs);
  EXPECT_TRUE(resolved->qemu.filter_calls);
  EXPECT_EQ(resolved->landlock_abi, 3u);
  EXPECT_EQ(resolved->root, "");
}

TEST(ResolvedContextTest, NamesBecomeTheConfigurationsNumbers) {
  LaunchContext context;
  context.identity = IdentityKind::kNamed;
  context.identity_name = "build";
  context.groups = {"video", "disks"};
  context.capabilities = {"net_admin"};
  context.root = "minimal";
  context.rlimits = {{"nofile", 2048}};
  context.cpu_affinity = "1,3";
  context.environment = {{"A", "b"}};
  context.landlock = LandlockMode::kOff;

  const auto resolved = ResolveContext(context, "user/bob", Config(), Offer());

  ASSERT_THAT(resolved, IsOk());
  EXPECT_EQ(resolved->qemu.uid, 2000u);
  EXPECT_THAT(resolved->qemu.groups, ElementsAre(6, 44));
  EXPECT_EQ(resolved->qemu.capabilities, uint64_t{1} << CAP_NET_ADMIN);
  EXPECT_EQ(resolved->root, "/srv/root");
  ASSERT_EQ(resolved->rlimits.size(), 1u);
  EXPECT_EQ(resolved->rlimits[0].resource, RLIMIT_NOFILE);
  EXPECT_EQ(resolved->rlimits[0].value, 2048u);
  EXPECT_THAT(resolved->cpus, ElementsAre(1, 3));
  EXPECT_THAT(resolved->environment, ElementsAre("A=b"));
  EXPECT_EQ(resolved->landlock_abi, 0u);
}

TEST(ResolvedContextTest, OwnersIdentityIsTheOwnersAndNobodyElses) {
  LaunchContext context;
  context.identity = IdentityKind::kOwner;

  const auto ada = ResolveContext(context, "user/ada", Config(), Offer());
  ASSERT_THAT(ada, IsOk());
  EXPECT_EQ(ada->qemu.uid, 3000u);
  EXPECT_THAT(ResolveContext(context, "user/bob", Config(), Offer()),
              HasReason(reason::kContextUnavailable));
}

// Where the label changes at exec: decided by the launcher, never asked for.
TEST(ResolvedContextTest, OnlyAnSelinuxLabelPutsNoNewPrivsOff) {
  LaunchContext context;
  context.selinux.value = "u:r:t:s0";

  const auto resolved = ResolveContext(context, "user/ada", Config(), Offer());

  ASSERT_THAT(resolved, IsOk());
  EXPECT_FALSE(resolved->qemu.no_new_privs);
  EXPECT_TRUE(resolved->qemu.filter_calls);
}

}  // namespace
}  // namespace innkeeper
