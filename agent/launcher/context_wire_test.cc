#include "agent/launcher/context_wire.h"

#include <string>

#include "absl/strings/string_view.h"
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
