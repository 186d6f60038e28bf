#include "server/config/server_config.h"

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
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

constexpr char kGood[] = R"(
  name: "s1"
  trust_domain: "example.test"
  listen_addresses: "127.0.0.1:7443"
  state_directory: "/var/lib/server"
  ca_file: "/etc/s/ca.pem"
  certificate_file: "/etc/s/cert.pem"
  key_file: "/etc/s/key.pem"
  bindings { role: "admin" principal: "user/root" scope: "all" }
)";

absl::StatusOr<ServerConfig> Read(const std::string& text) {
  const std::string path = absl::StrCat(testing::TempDir(), "/server.conf");
  EXPECT_THAT(WriteFileAtomically(path, text, 0600), IsOk());
  return ReadServerConfig(path);
}

TEST(ServerConfigTest, WhatIsNotGivenHasDefaults) {
  const absl::StatusOr<ServerConfig> config = Read(kGood);

  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(config->advertised_addresses, ElementsAre("127.0.0.1:7443"));
  EXPECT_EQ(config->deny_list_file, "/var/lib/server/deny_list");
  EXPECT_EQ(config->bindings.size(), 1u);
}

TEST(ServerConfigTest, EveryFaultIsNamedAtOnce) {
  const absl::StatusOr<ServerConfig> config = Read(R"(
    name: "UPPER"
    unix_socket: "relative"
    bindings { role: "king" principal: "user/a" scope: "all" }
    local_users { key: 5 value: "root" }
  )");

  ASSERT_THAT(config, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("unix_socket")));
  const ErrorDetails details = DetailsOf(config.status());
  for (const char* field :
       {"name", "trust_domain", "listen_addresses", "unix_socket",
        "state_directory", "ca_file", "certificate_file", "key_file"}) {
    EXPECT_THAT(details.fields, Contains(Field(&FieldViolation::field, field)));
  }
  EXPECT_GE(details.fields.size(), 10u);
}

TEST(ServerConfigTest, UnknownFieldIsRefusedWithItsLine) {
  EXPECT_THAT(Read("name: \"s1\"\nnmae: \"h1\"\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":2:")));
}

}  // namespace
}  // namespace innkeeper
