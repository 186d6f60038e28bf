#include "agent/launch/context_offer.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/launch/launch_context.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ContextOffer GoodOffer() {
  ContextOffer offer;
  offer.identities = {"build"};
  offer.owners = {"user/ada"};
  offer.groups = {"disks"};
  offer.roots = {"minimal"};
  offer.capabilities = {"net_admin"};
  offer.networks = std::set<std::string>{"blue"};
  offer.rlimits = {{"nofile", 4096}};
  offer.least_nice = -5;
  offer.cpus = "0-1";
  offer.landlock_abi = 1;
  offer.selinux = offer.apparmor = true;
  offer.user_namespaces = offer.time_namespaces = offer.io_limits = true;
  return offer;
}

struct Part {
  const char* field;
  std::function<void(LaunchContext&)> ask;
  bool offered = true;  // By GoodOffer().
};

class ContextOfferTest : public testing::TestWithParam<Part> {};

TEST_P(ContextOfferTest, PartIsGivenWhereItIsOfferedAndRefusedElsewhere) {
  LaunchContext context;
  GetParam().ask(context);
  ASSERT_THAT(ValidateContext(context), IsOk());
  ContextOffer nothing;
  nothing.networks.emplace();

  nothing.least_oom_score_adj = 100;

  const auto missing = FindUnavailableParts(context, "user/ada", nothing);

  ASSERT_THAT(missing, SizeIs(1));
  EXPECT_EQ(missing[0].field, GetParam().field);
  EXPECT_THAT(FindUnavailableParts(context, "user/ada", GoodOffer()),
              SizeIs(GetParam().offered ? 0 : 1));
}

INSTANTIATE_TEST_SUITE_P(
    All, ContextOfferTest,
    testing::Values(
        Part{"identity.name",
             [](LaunchContext& c) {
               c.identity = IdentityKind::kNamed;
               c.identity_name = "build";
             }},
        Part{"identity.kind",
             [](LaunchContext& c) { c.identity = IdentityKind::kOwner; }},
        Part{"groups", [](LaunchContext& c) { c.groups = {"disks"}; }},
        Part{"root", [](LaunchContext& c) { c.root = "minimal"; }},
        Part{"capabilities",
             [](LaunchContext& c) { c.capabilities = {"net_admin"}; }},
        Part{"selinux", [](LaunchContext& c) { c.selinux.value = "a:b:c:s0"; }},
        Part{"apparmor", [](LaunchContext& c) { c.apparmor.value = "a"; }},
        Part{"landlock",
             [](LaunchContext& c) { c.landlock = LandlockMode::kRequired; }},
        Part{"namespaces.user",
             [](LaunchContext& c) { c.namespaces.user = NamespaceMode::kNew; }},
        Part{"namespaces.time",
             [](LaunchContext& c) { c.namespaces.time = NamespaceMode::kNew; }},
        Part{"namespaces.network.name",
             [](LaunchContext& c) {
               c.namespaces.network = NamespaceMode::kNamed;
               c.namespaces.network_name = "blue";
             }},
        Part{"rlimits",
             [](LaunchContext& c) {
               c.rlimits = {{"nofile", 4096}};
             }},
        Part{"rlimits",
             [](LaunchContext& c) {
               c.rlimits = {{"nofile", 4097}};
             },
             false},
        Part{"nice", [](LaunchContext& c) { c.nice = -5; }},
        Part{"nice", [](LaunchContext& c) { c.nice = -6; }, false},
        Part{"oom_score_adj", [](LaunchContext& c) { c.oom_score_adj = 99; }},
        Part{"cpu_affinity", [](LaunchContext& c) { c.cpu_affinity = "1"; }},
        Part{"cpu_affinity", [](LaunchContext& c) { c.cpu_affinity = "1-2"; },
             false},
        Part{"cgroup.io",
             [](LaunchContext& c) { c.cgroup.io_writes_per_second = 100; }}));

TEST(ContextOfferRefusalTest, EveryPartIsToldAtOnce) {
  LaunchContext context;
  context.identity = IdentityKind::kOwner;
  context.landlock = LandlockMode::kRequired;
  context.apparmor = {"guest", true};
  ContextOffer offer = GoodOffer();
  offer.landlock_abi = 0;

  const absl::Status status =
      ContextUnavailable(FindUnavailableParts(context, "user/bob", offer));

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("'user/bob' has no identity")));
  EXPECT_THAT(status, HasReason(reason::kContextUnavailable));
  const auto violations = DetailsOf(status).preconditions;
  ASSERT_THAT(violations, SizeIs(3));
  EXPECT_EQ(violations[0].subject, "context.identity.kind");
  EXPECT_EQ(violations[1].subject, "context.apparmor.unique");
  EXPECT_EQ(violations[2].subject, "context.landlock");
}

TEST(ContextOfferRefusalTest, NoContextNeedsNoOffer) {
  EXPECT_THAT(FindUnavailableParts(LaunchContext(), "user/ada", ContextOffer()),
              IsEmpty());
  EXPECT_THAT(ContextUnavailable({}), IsOk());
}

TEST(ContextOfferRefusalTest, NetworksThatAreNotKnownAreLeftToTheLaunch) {
  LaunchContext context;
  context.namespaces.network = NamespaceMode::kNamed;
  context.namespaces.network_name = "blue";

  EXPECT_THAT(FindUnavailableParts(context, "user/ada", ContextOffer()),
              IsEmpty());
}

}  // namespace
}  // namespace innkeeper
