#include "agent/launcher/context_wire.h"

#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/launch/context_offer.h"
#include "agent/launch/launch_context.h"
#include "agent/launcher/wire.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

LaunchContext FullContext() {
  LaunchContext context;
  context.identity = IdentityKind::kNamed;
  context.identity_name = "build";
  context.groups = {"kvm", "disk-readers"};
  context.selinux = {"system_u:system_r:svirt_t:s0", true};
  context.apparmor = {"innkeeper-guest", false};
  context.namespaces = {NamespaceMode::kNamed, "blue",
                        NamespaceMode::kNew,   NamespaceMode::kHost,
                        NamespaceMode::kHost,  NamespaceMode::kHost,
                        NamespaceMode::kNew};
  context.root = "minimal";
  context.capabilities = {"net_admin", "net_raw"};
  context.allowed_seccomp_classes = {SeccompClass::kSpawn};
  context.landlock = LandlockMode::kRequired;
  context.cgroup = {"batch", 50, 1500, 256 << 20, 100, 1, 2, 3, 4};
  context.rlimits = {{"nofile", 512}, {"cpu", 3600}};
  context.nice = -5;
  context.cpu_affinity = "0-1";
  context.oom_score_adj = 700;
  context.environment = {{"A", "one"}, {"B", ""}};
  return context;
}

std::string Encode(const LaunchContext& context) {
  WireWriter out;
  WriteContext(context, out);
  return out.data();
}

TEST(ContextWireTest, ContextComesBackWhole) {
  for (const LaunchContext& context : {LaunchContext(), FullContext()}) {
    const std::string bytes = Encode(context);
    WireReader in(bytes);

    const LaunchContext back = ReadContext(in);

    EXPECT_TRUE(in.Done());
    EXPECT_EQ(back, context);
  }
}

TEST(ContextWireTest, EveryCutIsRefused) {
  const std::string bytes = Encode(FullContext());
  for (size_t size = 0; size < bytes.size(); ++size) {
    WireReader in(absl::string_view(bytes).substr(0, size));
    ReadContext(in);
    EXPECT_FALSE(in.Done()) << size;
  }
}

TEST(ContextWireTest, ListsBeyondTheirBoundsAreRefused) {
  LaunchContext groups;
  groups.groups.resize(kMaxContextGroups + 1);
  LaunchContext rlimits;
  rlimits.rlimits.resize(kMaxContextRlimits + 1);
  LaunchContext label;
  label.selinux.value = std::string(kMaxSecurityLabelBytes + 2, 'a');
  for (const LaunchContext& context : {groups, rlimits, label}) {
    const std::string bytes = Encode(context);
    WireReader in(bytes);
    ReadContext(in);
    EXPECT_FALSE(in.Done());
  }
}

TEST(ContextWireTest, OfferComesBackWholeAndItsCutsDoNot) {
  ContextOffer offer;
  offer.identities = {"build"};
  offer.owners = {"user/" + std::string(63, 'a')};
  offer.groups = {"disks", "video"};
  offer.roots = {"minimal"};
  offer.capabilities = {"net_admin"};
  offer.networks = std::set<std::string>{"blue"};
  offer.rlimits = {{"nofile", 4096}};
  offer.least_nice = -7;
  offer.least_oom_score_adj = -5;
  offer.cpus = "0-3";
  offer.landlock_abi = 3;
  offer.selinux = offer.user_namespaces = true;
  WireWriter out;
  WriteOffer(offer, out);
  const std::string bytes = out.data();

  WireReader in(bytes);
  const ContextOffer back = ReadOffer(in);

  ASSERT_TRUE(in.Done());
  EXPECT_EQ(back.owners, offer.owners);
  EXPECT_EQ(back.groups, offer.groups);
  EXPECT_EQ(back.networks, offer.networks);
  EXPECT_EQ(back.rlimits, offer.rlimits);
  EXPECT_EQ(back.least_nice, -7);
  EXPECT_EQ(back.least_oom_score_adj, -5);
  EXPECT_EQ(back.cpus, "0-3");
  EXPECT_EQ(back.landlock_abi, 3u);
  EXPECT_TRUE(back.selinux);
  EXPECT_FALSE(back.apparmor);
  EXPECT_TRUE(back.user_namespaces);
  EXPECT_FALSE(back.time_namespaces);
  for (size_t size = 0; size < bytes.size(); ++size) {
    WireReader cut(absl::string_view(bytes).substr(0, size));
    ReadOffer(cut);
    EXPECT_FALSE(cut.Done()) << size;
  }
}

TEST(ContextWireTest, VariablesOutOfOrderAreRefused) {
  LaunchContext context;
  context.environment = {{"A", ""}, {"B", ""}};
  std::string bytes = Encode(context);
  bytes[bytes.find('B')] = 'A';
  WireReader in(bytes);

  ReadContext(in);

  EXPECT_FALSE(in.Done());
}

}  // namespace
}  // namespace innkeeper
