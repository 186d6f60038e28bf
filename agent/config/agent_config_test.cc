#include "agent/config/agent_config.h"

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;

absl::StatusOr<AgentConfig> Read(const std::string& text) {
  const std::string path = absl::StrCat(testing::TempDir(), "/agent.conf");
  EXPECT_THAT(WriteFileAtomically(path, text, 0600), IsOk());
  return ReadAgentConfig(path);
}

TEST(AgentConfigTest, LocalAgentNeedsLittle) {
  const absl::StatusOr<AgentConfig> config = Read(R"(
    name: "h1"
    unix_socket: "/run/x/agent.sock"
    state_directory: "/var/lib/x"
    bindings { role: "owner" principal: "user/*" scope: "own" }
    local_users { key: 1000 value: "user/alice" }
    pools { key: "main" value: "/srv/main" }
    network_leases { key: "lan" value: "/var/lib/misc/dnsmasq.leases" }
  )");

  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->max_guests, 256);
  EXPECT_EQ(config->pools.at("main"), "/srv/main");
  EXPECT_EQ(config->network_leases.at("lan"), "/var/lib/misc/dnsmasq.leases");
  EXPECT_EQ(config->local_users.size(), 1u);
}

TEST(AgentConfigTest, EveryFaultIsNamedAtOnce) {
  const absl::StatusOr<AgentConfig> config = Read(R"(
    name: "UPPER"
    listen_addresses: "127.0.0.1:0"
    unix_socket: "relative"
    max_guests: -1
    network_leases { key: "lan" value: "leases" }
    bindings { role: "king" principal: "user/a" scope: "all" }
    local_users { key: 5 value: "root" }
  )");

  ASSERT_THAT(config, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("unix_socket")));
  const ErrorDetails details = DetailsOf(config.status());
  for (const char* field :
       {"name", "unix_socket", "state_directory", "trust_domain", "ca_file",
        "certificate_file", "key_file", "max_guests", "network_leases[lan]"}) {
    EXPECT_THAT(details.fields, Contains(Field(&FieldViolation::field, field)));
  }
  EXPECT_GE(details.fields.size(), 10u);
}

TEST(AgentConfigTest, PluginsKeepTheirOrderAndHaveDefaults) {
  const absl::StatusOr<AgentConfig> config = Read(R"(
    name: "h1"
    unix_socket: "/run/x/agent.sock"
    state_directory: "/var/lib/x"
    plugins { name: "b" socket: "/run/b/s" stages: [ADMIT, STOPPED] uid: 7 }
    plugins { name: "a" socket: "/run/a/s" stages: ARGV uid: 0 fail_open: true
              deadline_millis: 10000 }
    owner_plugin_directory: "/tmp"
  )");

  ASSERT_THAT(config, IsOk());
  ASSERT_EQ(config->plugins.size(), 2u);
  const PluginConfig& first = config->plugins[0];
  EXPECT_EQ(first.name, "b");
  EXPECT_EQ(first.uid, 7u);
  EXPECT_FALSE(first.fail_open);
  EXPECT_EQ(first.deadline, absl::Seconds(2));
  EXPECT_EQ(first.stages, (std::set<PluginStage>{PluginStage::kAdmit,
                                                 PluginStage::kStopped}));
  EXPECT_TRUE(config->plugins[1].fail_open);
  EXPECT_EQ(config->plugins[1].deadline, absl::Seconds(10));
  EXPECT_EQ(config->owner_plugin_directory, "/tmp");
}

TEST(AgentConfigTest, EveryFaultOfAPluginIsNamed) {
  const absl::StatusOr<AgentConfig> config = Read(R"(
    name: "h1"
    unix_socket: "/run/x/agent.sock"
    state_directory: "/var/lib/x"
    plugins { name: "-" socket: "relative" deadline_millis: 10001 }
    plugins { name: "-" stages: STAGE_UNSPECIFIED deadline_millis: -1 }
    owner_plugin_directory: "relative"
  )");

  const ErrorDetails details = DetailsOf(config.status());
  for (const char* field :
       {"plugins[0].name", "plugins[0].socket", "plugins[0].stages",
        "plugins[0].deadline_millis", "plugins[0].uid", "plugins[1].socket",
        "plugins[1].stages", "plugins[1].deadline_millis", "plugins[1].name",
        "owner_plugin_directory"}) {
    EXPECT_THAT(details.fields, Contains(Field(&FieldViolation::field, field)));
  }
}

TEST(AgentConfigTest, MorePluginsThanCanBeAskedAreRefused) {
  std::string text;
  for (int i = 0; i < 17; ++i) {
    absl::StrAppend(&text, "plugins { name: 'p", i,
                    "' socket: '/s' stages: ADMIT uid: 1 }\n");
  }

  EXPECT_THAT(Read(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("must be at most 16")));
}

TEST(AgentConfigTest, PluginsThatMayTakeTooLongTogetherAreRefused) {
  EXPECT_THAT(Read(R"(
    plugins { name: "a" socket: "/a" stages: ARGV uid: 1 deadline_millis: 9000 }
    plugins { name: "b" socket: "/b" stages: ARGV uid: 1 deadline_millis: 4000 }
  )"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("may take 13s at the stage argv")));
}

TEST(AgentConfigTest, UnknownFieldIsRefused) {
  EXPECT_THAT(Read("nmae: \"h1\""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nmae")));
}

}  // namespace
}  // namespace innkeeper
