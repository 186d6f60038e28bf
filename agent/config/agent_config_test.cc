#include "agent/config/agent_config.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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

TEST(AgentConfigTest, UnknownFieldIsRefused) {
  EXPECT_THAT(Read("nmae: \"h1\""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nmae")));
}

}  // namespace
}  // namespace innkeeper
