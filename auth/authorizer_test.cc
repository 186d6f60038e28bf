#include "auth/authorizer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "auth/identity.h"
#include "auth/policy.h"
#include "auth/principal.h"
#include "auth/resource.h"
#include "auth/role.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

class FakeResolver : public ResourceResolver {
 public:
  absl::StatusOr<ResourceAttributes> Resolve(
      absl::string_view name) const override {
    if (name == "guests/broken") return absl::UnavailableError("store");
    for (const ResourceAttributes& resource : resources_) {
      if (resource.name == name) return resource;
    }
    return absl::NotFoundError("a message that nobody may see");
  }

 private:
  const std::vector<ResourceAttributes> resources_ = {
      {"guests/alices", "user/alice", "hosts/h1", {{"env", "test"}}},
      {"guests/bobs", "user/bob", "hosts/h2", {{"env", "live"}}},
      {"guests/nobodys", "", "hosts/h1", {}},
      {"hosts/h1", "", "hosts/h1", {}},
      {"operations/o1", "user/alice", "hosts/h1", {}},
  };
};

Identity Caller(absl::string_view principal) {
  return Identity{*Principal::Parse(principal), false, "",
                  absl::InfiniteFuture(), "test"};
}

Authorizer With(const std::vector<Binding>& bindings) {
  return Authorizer(*Policy::Create(bindings),
                    AuthorizerOptions{"h1", "hosts/h1"});
}

// The table of the manual, written a second time and by hand.
const std::map<std::string, std::string>& ExpectedRoles() {
  static const auto* const kRoles = new std::map<std::string, std::string>{
      {"agent.inventory", ""},
      {"consoles.attach", "admin operator owner"},
      {"contexts.create", "admin"},
      {"contexts.delete", "admin"},
      {"contexts.get", "admin operator owner viewer"},
      {"contexts.list", "admin operator owner viewer"},
      {"events.watch", "admin operator owner viewer"},
      {"guests.delete", "admin operator owner"},
      {"guests.explain", "admin operator owner viewer"},
      {"guests.get", "admin operator owner viewer"},
      {"guests.launch", "admin operator owner"},
      {"guests.list", "admin operator owner viewer"},
      {"guests.pause", "admin operator owner"},
      {"guests.reboot", "admin operator owner"},
      {"guests.resume", "admin operator owner"},
      {"guests.security", "admin operator owner viewer"},
      {"guests.start", "admin operator owner"},
      {"guests.stop", "admin operator owner"},
      {"guests.watch", "admin operator owner viewer"},
      {"health.check", "admin operator owner viewer"},
      {"hosts.cordon", "admin operator"},
      {"hosts.createToken", "admin"},
      {"hosts.enrol", ""},
      {"hosts.get", "admin operator viewer"},
      {"hosts.list", "admin operator viewer"},
      {"hosts.remove", "admin"},
      {"hosts.uncordon", "admin operator"},
      {"operations.cancel", "admin operator owner"},
      {"operations.get", "admin operator owner viewer"},
      {"operations.list", "admin operator owner viewer"},
      {"operations.wait", "admin operator owner viewer"},
      {"policy.whoami", "admin operator owner viewer"},
      {"reflection.use", "admin"},
  };
  return *kRoles;
}

bool ForEverybody(absl::string_view permission) {
  return permission == "policy.whoami" || permission == "health.check";
}

TEST(AuthorizerTest, EveryPermissionIsInTheTable) {
  std::vector<std::string> expected;
  for (const auto& [permission, roles] : ExpectedRoles()) {
    expected.push_back(permission);
  }
  const auto all = AllPermissions();
  EXPECT_EQ(std::vector<std::string>(all.begin(), all.end()), expected);
}

TEST(AuthorizerTest, EachRoleHasItsPermissionsOnOwnAndForeignGuests) {
  const FakeResolver resolver;
  for (const std::string role : {"admin", "operator", "owner", "viewer"}) {
    for (const std::string scope : {"all", "own"}) {
      if (role == "owner" && scope == "all") continue;
      const Authorizer authorizer = With({{role, "user/alice", scope}});
      for (const auto& [permission, roles] : ExpectedRoles()) {
        SCOPED_TRACE(absl::StrCat(role, " ", scope, " ", permission));
        const bool installation =
            permission == "hosts.createToken" || permission == "reflection.use";
        const bool holds = ForEverybody(permission) ||
                           (roles.find(role) != std::string::npos &&
                            (scope == "all" || !installation));
        const bool foreign = scope == "all" || ForEverybody(permission);
        const auto own = authorizer.Authorize(
            Caller("user/alice"), {}, permission, "guests/alices", &resolver);
        const auto other = authorizer.Authorize(
            Caller("user/alice"), {}, permission, "guests/bobs", &resolver);
        if (!holds) {
          EXPECT_THAT(own, StatusIs(StatusCode::kPermissionDenied));
          EXPECT_THAT(other, StatusIs(StatusCode::kPermissionDenied));
          continue;
        }
        EXPECT_THAT(own, IsOk());
        EXPECT_EQ(other.ok(), foreign);
        if (!foreign) {
          EXPECT_THAT(other, StatusIs(StatusCode::kNotFound));
        }
      }
    }
  }
}

TEST(AuthorizerTest, WithoutABindingOnlyWhoAmIAndHealthRemain) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"admin", "user/alice", "all"}});
  for (const std::string principal :
       {"user/mallory", "service/ci", "host/h1", "gateway/g", "local/h1/7"}) {
    for (const auto& [permission, roles] : ExpectedRoles()) {
      EXPECT_EQ(authorizer
                    .Authorize(Caller(principal), {}, permission,
                               "guests/alices", &resolver)
                    .ok(),
                ForEverybody(permission))
          << principal << " " << permission;
    }
  }
}

TEST(AuthorizerTest, AnUnknownPermissionIsDeniedToEverybody) {
  const Authorizer authorizer = With({{"admin", "user/alice", "all"}});
  Identity root = Caller("local/h1/0");
  root.host_admin = true;
  for (const Identity& caller : {Caller("user/alice"), root}) {
    for (const absl::string_view permission :
         {"", "guests", "guests.*", "guests.GET", "guests.get "}) {
      EXPECT_THAT(authorizer.Authorize(caller, {}, permission, "", nullptr),
                  StatusIs(StatusCode::kPermissionDenied));
    }
  }
}

TEST(AuthorizerTest, ForbiddenAndAbsentLookTheSame) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"owner", "user/*", "own"}});
  const absl::Status forbidden =
      authorizer
          .Authorize(Caller("user/alice"), {}, "guests.get", "guests/bobs",
                     &resolver)
          .status();
  const absl::Status absent =
      authorizer
          .Authorize(Caller("user/alice"), {}, "guests.get", "guests/none",
                     &resolver)
          .status();
  EXPECT_EQ(forbidden.code(), absent.code());
  EXPECT_EQ(forbidden.message(), "guest 'bobs' does not exist");
  EXPECT_EQ(absent.message(), "guest 'none' does not exist");
  EXPECT_EQ(DetailsOf(forbidden).reason, DetailsOf(absent).reason);
  EXPECT_EQ(DetailsOf(forbidden).metadata.size(),
            DetailsOf(absent).metadata.size());
}

TEST(AuthorizerTest, AResolverThatFailsIsNotAnAbsentGuest) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"admin", "user/alice", "all"}});
  EXPECT_THAT(authorizer.Authorize(Caller("user/alice"), {}, "guests.get",
                                   "guests/broken", &resolver),
              StatusIs(StatusCode::kUnavailable));
}

TEST(AuthorizerTest, ANameWithoutAResolverIsNotFound) {
  const Authorizer authorizer = With({{"admin", "user/alice", "all"}});
  EXPECT_THAT(authorizer.Authorize(Caller("user/alice"), {}, "guests.get",
                                   "guests/alices", nullptr),
              StatusIs(StatusCode::kNotFound));
}

TEST(AuthorizerTest, EachScopeReachesItsOwnPartOnly) {
  const FakeResolver resolver;
  const struct {
    std::string scope;
    bool alices, bobs, nobodys;
  } cases[] = {
      {"all", true, true, true},
      {"own", true, false, false},
      {"host:h1", true, false, true},
      {"host:h2", false, true, false},
      {"label:env=live", false, true, false},
      {"label:env=", false, false, false},
      {"guest:bobs", false, true, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.scope);
    const Authorizer authorizer = With({{"operator", "user/alice", c.scope}});
    const auto may = [&](absl::string_view guest) {
      return authorizer
          .Authorize(Caller("user/alice"), {}, "guests.stop", guest, &resolver)
          .ok();
    };
    EXPECT_EQ(may("guests/alices"), c.alices);
    EXPECT_EQ(may("guests/bobs"), c.bobs);
    EXPECT_EQ(may("guests/nobodys"), c.nobodys);
  }
}

TEST(AuthorizerTest, RowsOfACollectionAreFilteredByTheScope) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"viewer", "user/alice", "own"}});
  const auto permit = authorizer.Authorize(Caller("user/alice"), {},
                                           "guests.list", "", &resolver);
  ASSERT_THAT(permit, IsOk());
  EXPECT_TRUE(permit->CanSee(*resolver.Resolve("guests/alices")));
  EXPECT_FALSE(permit->CanSee(*resolver.Resolve("guests/bobs")));
  EXPECT_FALSE(permit->CanSee(*resolver.Resolve("guests/nobodys")));
}

TEST(AuthorizerTest, GetListAndWatchSeeTheSameGuests) {
  const FakeResolver resolver;
  for (const std::string scope :
       {"all", "own", "host:h1", "label:env=live", "guest:bobs"}) {
    const Authorizer authorizer = With({{"viewer", "user/alice", scope}});
    for (const std::string guest :
         {"guests/alices", "guests/bobs", "guests/nobodys"}) {
      const bool get = authorizer
                           .Authorize(Caller("user/alice"), {}, "guests.get",
                                      guest, &resolver)
                           .ok();
      for (const std::string other :
           {"guests.list", "guests.watch", "events.watch"}) {
        EXPECT_EQ(
            authorizer.Authorize(Caller("user/alice"), {}, other, "", nullptr)
                ->CanSee(*resolver.Resolve(guest)),
            get)
            << scope << guest << other;
      }
    }
  }
}

TEST(AuthorizerTest, AnOwnerLaunchesInTheirOwnNameOnly) {
  const Authorizer authorizer = With({{"owner", "user/*", "own"}});
  const auto launch = [&](absl::string_view owner) {
    return authorizer.Authorize(Caller("user/alice"), {}, "guests.launch",
                                owner, nullptr);
  };
  EXPECT_THAT(launch("user/alice"), IsOk());
  EXPECT_THAT(launch(""), IsOk());
  EXPECT_THAT(launch("user/bob"), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(launch("user/B"), StatusIs(StatusCode::kInvalidArgument));
}

TEST(AuthorizerTest, AnEmptyOwnerIsTheCallerAndNotEverybody) {
  const Authorizer guest = With({{"operator", "user/alice", "guest:bobs"}});
  EXPECT_THAT(
      guest.Authorize(Caller("user/alice"), {}, "guests.launch", "", nullptr),
      StatusIs(StatusCode::kPermissionDenied));
  const Authorizer here = With({{"operator", "user/alice", "host:h1"}});
  EXPECT_THAT(
      here.Authorize(Caller("user/alice"), {}, "guests.launch", "", nullptr),
      IsOk());
  const Authorizer there = With({{"operator", "user/alice", "host:h2"}});
  EXPECT_THAT(
      there.Authorize(Caller("user/alice"), {}, "guests.launch", "", nullptr),
      StatusIs(StatusCode::kPermissionDenied));
}

TEST(AuthorizerTest, RootOfThisHostIsAdmin) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({});
  Identity root = Caller("local/h1/0");
  root.host_admin = true;
  EXPECT_THAT(
      authorizer.Authorize(root, {}, "guests.delete", "guests/bobs", &resolver),
      IsOk());
  EXPECT_THAT(authorizer.Authorize(root, {}, "agent.inventory", "", nullptr),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(authorizer.Authorize(Caller("local/h1/0"), {}, "guests.delete",
                                   "guests/bobs", &resolver),
              StatusIs(StatusCode::kPermissionDenied));
}

TEST(AuthorizerTest, AForwarderCannotSpeakForThisMachineNorForMachines) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"admin", "user/alice", "all"},
                                      {"admin", "local/h1/*", "all"},
                                      {"admin", "local/s1/*", "all"}});
  const Principal server = *Principal::Parse("server/s1");
  const auto forwarded = [&](const Identity& caller,
                             absl::string_view permission) {
    return authorizer.Authorize(caller, server, permission, "", &resolver);
  };
  EXPECT_THAT(forwarded(Caller("user/alice"), "guests.list"), IsOk());
  EXPECT_THAT(forwarded(Caller("local/s1/7"), "guests.list"), IsOk());
  Identity root = Caller("local/h1/0");
  root.host_admin = true;
  EXPECT_THAT(forwarded(root, "guests.list"),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(forwarded(Caller("local/h1/7"), "guests.list"),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(forwarded(Caller("server/s2"), "agent.inventory"),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(forwarded(Caller("enrol/x"), "hosts.enrol"),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(authorizer.PermissionsOf(root, server), testing::IsEmpty());
  EXPECT_THAT(authorizer.BindingsOf(root, server), testing::IsEmpty());
}

TEST(AuthorizerTest, OnlyAdminsOfAWholeHostAdministerIt) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"admin", "user/root", "all"},
                                      {"admin", "user/here", "host:h1"},
                                      {"admin", "user/there", "host:h2"},
                                      {"admin", "user/own", "own"},
                                      {"admin", "user/label", "label:env=test"},
                                      {"admin", "user/guest", "guest:alices"},
                                      {"operator", "user/op", "all"},
                                      {"owner", "user/*", "own"},
                                      {"viewer", "user/*", "all"}});
  const auto administers = [&](const Identity& caller,
                               std::optional<Principal> delegate) {
    // Whatever the permit is for.
    return authorizer
        .Authorize(caller, std::move(delegate), "guests.get", "guests/alices",
                   &resolver)
        ->Administers("hosts/h1");
  };
  const Principal server = *Principal::Parse("server/s1");
  EXPECT_TRUE(administers(Caller("user/root"), {}));
  EXPECT_TRUE(administers(Caller("user/root"), server));
  EXPECT_TRUE(administers(Caller("user/here"), {}));
  for (const char* caller : {"user/there", "user/own", "user/label",
                             "user/guest", "user/op", "user/alice"}) {
    EXPECT_FALSE(administers(Caller(caller), {})) << caller;
    EXPECT_FALSE(administers(Caller(caller), server)) << caller;
  }
  Identity root = Caller("local/h1/0");
  root.host_admin = true;
  EXPECT_TRUE(administers(root, {}));
  // A server that reads everything administers nothing.
  EXPECT_FALSE(administers(Caller("server/s1"), {}));
}

TEST(AuthorizerTest, NobodyAdministersAHostWithoutAName) {
  const auto permit =
      With({{"admin", "user/root", "all"}})
          .Authorize(Caller("user/root"), {}, "guests.list", "", nullptr);
  ASSERT_THAT(permit, IsOk());
  EXPECT_FALSE(permit->Administers(""));
  EXPECT_TRUE(permit->Administers("hosts/any"));
}

TEST(AuthorizerTest, AServerReadsAndAnEnrolmentTokenOnlyEnrols) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"owner", "user/*", "own"}});
  EXPECT_THAT(
      authorizer.PermissionsOf(Caller("server/s1"), {}),
      ElementsAre("agent.inventory", "contexts.get", "contexts.list",
                  "events.watch", "guests.get", "guests.list", "guests.watch",
                  "health.check", "hosts.get", "hosts.list", "operations.get",
                  "operations.list", "operations.wait", "policy.whoami"));
  EXPECT_THAT(authorizer.PermissionsOf(Caller("enrol/x"), {}),
              ElementsAre("hosts.enrol"));
}

TEST(AuthorizerTest, APermitSaysWhoActsAndWhoForwarded) {
  const FakeResolver resolver;
  const Authorizer authorizer = With({{"owner", "user/*", "own"}});
  const auto permit =
      authorizer.Authorize(Caller("user/alice"), *Principal::Parse("server/s1"),
                           "guests.get", "guests/alices", &resolver);
  ASSERT_THAT(permit, IsOk());
  EXPECT_EQ(permit->caller().principal.ToString(), "user/alice");
  EXPECT_EQ(permit->delegate()->ToString(), "server/s1");
  EXPECT_EQ(permit->permission(), "guests.get");
  EXPECT_EQ(permit->resource(), "guests/alices");
}

TEST(AuthorizerTest, ARecordedOperationGoesOnOnlyWhileItsCallerHasTheRight) {
  const Principal alice = *Principal::Parse("user/alice");
  EXPECT_THAT(With({{"owner", "user/*", "own"}})
                  .Restore(alice, {}, "guests.start", "guests/alices"),
              IsOk());
  EXPECT_THAT(With({}).Restore(alice, {}, "guests.start", "guests/alices"),
              StatusIs(StatusCode::kPermissionDenied));
}

TEST(AuthorizerTest, RootsOperationsAreRestoredOnTheirOwnHostOnly) {
  const auto restore = [](absl::string_view principal,
                          std::optional<Principal> delegate) {
    return With({}).Restore(*Principal::Parse(principal), std::move(delegate),
                            "guests.start", "guests/x");
  };
  EXPECT_THAT(restore("local/h1/0", {}), IsOk());
  EXPECT_THAT(restore("local/h2/0", {}),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(restore("local/h1/1", {}),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(restore("local/h1/0", *Principal::Parse("server/s1")),
              StatusIs(StatusCode::kPermissionDenied));
}

TEST(PolicyTest, EveryFaultIsNamedAtOnce) {
  const auto policy = Policy::Create({{"root", "user/*", "all"},
                                      {"admin", "user/*", "everything"},
                                      {"admin", "server/s1", "all"},
                                      {"owner", "user/*", "all"},
                                      {"admin", "*", "all"}});
  ASSERT_THAT(policy, StatusIs(StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const FieldViolation& field : DetailsOf(policy.status()).fields) {
    fields.push_back(field.field);
  }
  EXPECT_THAT(fields, ElementsAre("bindings[0].role", "bindings[1].scope",
                                  "bindings[2].principal", "bindings[3].scope",
                                  "bindings[4].principal"));
}

TEST(PolicyTest, PatternsThatCouldReachTooFarAreRefused) {
  for (const std::string pattern :
       {"", "*", "user", "user/", "user/a*", "*/alice", "host/*", "enrol/*",
        "local/*", "local/*/0", "local/h1/1*", "user/*/*", "user/Alice"}) {
    EXPECT_THAT(Policy::Create({{"viewer", pattern, "all"}}),
                HasReason(reason::kConfigInvalid))
        << pattern;
  }
}

TEST(PolicyTest, AStarStandsForNamesOfItsKindOnly) {
  const Policy policy = *Policy::Create(
      {{"admin", "user/*", "all"}, {"viewer", "local/h1/*", "all"}});
  EXPECT_EQ(policy.BindingsOf(*Principal::Parse("user/x")).size(), 1);
  EXPECT_EQ(policy.BindingsOf(*Principal::Parse("local/h1/9")).size(), 1);
  EXPECT_EQ(policy.BindingsOf(*Principal::Parse("local/h11/9")).size(), 0);
  EXPECT_EQ(policy.BindingsOf(*Principal::Parse("service/x")).size(), 0);
}

TEST(PolicyTest, ScopesReadBackAsTheyWereWritten) {
  for (const std::string scope :
       {"all", "own", "host:h1", "label:a=b=c", "guest:web"}) {
    EXPECT_EQ(Scope::Parse(scope)->ToString(), scope);
  }
  for (const std::string scope :
       {"", "ALL", "host:", "host:hosts/h1", "guest:*", "label:", "label:=x",
        "label:x", "owner:alice"}) {
    EXPECT_THAT(Scope::Parse(scope), StatusIs(StatusCode::kInvalidArgument))
        << scope;
  }
}

}  // namespace
}  // namespace innkeeper
