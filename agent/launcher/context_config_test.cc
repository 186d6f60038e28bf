#include "agent/launcher/context_config.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

ForbiddenIds Forbidden() {
  ForbiddenIds forbidden;
  forbidden.base = 1880000000;
  forbidden.count = 100;
  forbidden.agent.uid = forbidden.agent.gid = 990;
  return forbidden;
}

ContextFlags GoodFlags() {
  ContextFlags flags;
  flags.identities = {"build=2000:2000:44:45", "ci=2001:2001"};
  flags.owner_identities = {"user/ada=3000:3000"};
  flags.groups = {"disks=6"};
  flags.roots = {"minimal=/srv/roots/minimal"};
  flags.capabilities = {"net_admin"};
  flags.least_nice = -5;
  return flags;
}

TEST(ContextConfigTest, FlagsBecomeWhatContextsMayName) {
  const absl::StatusOr<ContextConfig> config = ParseContextFlags(GoodFlags());

  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->identities.at("build").uid, 2000u);
  EXPECT_THAT(config->identities.at("build").groups, ElementsAre(44, 45));
  EXPECT_EQ(config->owners.at("user/ada").gid, 3000u);
  EXPECT_THAT(config->groups, ElementsAre(Pair("disks", 6)));
  EXPECT_THAT(config->roots,
              ElementsAre(Pair("minimal", "/srv/roots/minimal")));
  EXPECT_THAT(FindContextConfigFaults(*config, Forbidden()), IsEmpty());
}

TEST(ContextConfigTest, FlagsOfAnotherFormAreRefused) {
  for (const char* bad : {"build", "build=", "build=1", "build=a:b",
                          "build=-1:5", "build=1:", "build=1:1:", "build=+1:1",
                          "build= 1:1", "build=4294967296:1"}) {
    ContextFlags flags;
    flags.identities = {bad};
    EXPECT_THAT(ParseContextFlags(flags), HasReason(reason::kConfigInvalid))
        << bad;
  }
  ContextFlags twice;
  twice.roots = {"a=/b", "a=/c"};
  EXPECT_THAT(
      ParseContextFlags(twice),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("given twice")));
  ContextFlags group;
  group.groups = {"disks=disk"};
  EXPECT_THAT(ParseContextFlags(group), HasReason(reason::kConfigInvalid));
}

struct Change {
  const char* flag;
  std::function<void(ContextFlags&)> make;
};

class ContextConfigFaultTest : public testing::TestWithParam<Change> {};

TEST_P(ContextConfigFaultTest, IsNamedByItsFlag) {
  ContextFlags flags = GoodFlags();
  GetParam().make(flags);
  const absl::StatusOr<ContextConfig> config = ParseContextFlags(flags);
  ASSERT_THAT(config, IsOk());

  EXPECT_THAT(FindContextConfigFaults(*config, Forbidden()),
              Contains(Pair(GetParam().flag, testing::_)));
}

INSTANTIATE_TEST_SUITE_P(
    All, ContextConfigFaultTest,
    testing::Values(
        Change{"--identity",
               [](ContextFlags& f) { f.identities = {"root=0:5"}; }},
        Change{"--identity", [](ContextFlags& f) { f.identities = {"x=5:0"}; }},
        Change{"--identity",
               [](ContextFlags& f) { f.identities = {"x=5:5:0"}; }},
        Change{"--identity",
               [](ContextFlags& f) { f.identities = {"x=4294967295:5"}; }},
        Change{"--identity",
               [](ContextFlags& f) { f.identities = {"x=990:5"}; }},
        Change{"--identity",
               [](ContextFlags& f) { f.identities = {"x=1880000099:5"}; }},
        Change{"--identity",
               [](ContextFlags& f) { f.identities = {"x=5:1880000000"}; }},
        Change{"--identity", [](ContextFlags& f) { f.identities = {"X=5:5"}; }},
        Change{"--owner-identity",
               [](ContextFlags& f) { f.owner_identities = {"ada=5:5"}; }},
        Change{"--owner-identity",
               [](ContextFlags& f) { f.owner_identities = {"user/a=0:5"}; }},
        Change{"--context-group",
               [](ContextFlags& f) { f.groups = {"root=0"}; }},
        Change{"--context-group",
               [](ContextFlags& f) { f.groups = {"agent=990"}; }},
        Change{"--root", [](ContextFlags& f) { f.roots = {"A=/b"}; }},
        Change{"--allow-capability",
               [](ContextFlags& f) { f.capabilities = {"all"}; }},
        Change{"--allow-capability",
               [](ContextFlags& f) { f.capabilities = {"sys_admin"}; }},
        Change{"--allow-capability",
               [](ContextFlags& f) { f.capabilities = {"setuid"}; }},
        Change{"--least-nice", [](ContextFlags& f) { f.least_nice = 1; }},
        Change{"--identity", [](ContextFlags& f) {
                 for (int i = 0; i < 65; ++i) {
                   f.identities.push_back(absl::StrCat("i", i, "=5:5"));
                 }
               }}));

}  // namespace
}  // namespace innkeeper
