#include "agent/context/context_record.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

ContextRecord Make(std::vector<std::string> users) {
  ContextRecord context;
  context.id = "build";
  context.users = std::move(users);
  return context;
}

std::vector<std::string> FaultsOf(const ContextRecord& context) {
  std::vector<std::string> fields;
  for (const FieldViolation& fault : FindRecordFaults(context)) {
    fields.push_back(fault.field);
  }
  return fields;
}

TEST(ContextRecordTest, NameAndIdAreInverses) {
  EXPECT_EQ(ToContextName("build"), "contexts/build");
  EXPECT_THAT(ParseContextName("contexts/build", "name"),
              IsOkAndHolds("build"));
}

TEST(ContextRecordTest, NothingElseIsAName) {
  for (const char* name : {"", "build", "contexts/", "contexts/Build",
                           "contexts/a/b", "contexts/../x", "guests/build"}) {
    EXPECT_THAT(ParseContextName(name, "name"),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
}

TEST(ContextRecordTest, OnlyWhoIsListedIsAdmitted) {
  const ContextRecord context = Make({"service/ci", "user/alice"});

  EXPECT_TRUE(Admits(context, "user/alice"));
  EXPECT_TRUE(Admits(context, "service/ci"));
  EXPECT_FALSE(Admits(context, "user/alic"));
  EXPECT_FALSE(Admits(context, "user/alice2"));
  EXPECT_FALSE(Admits(context, "service/alice"));
  EXPECT_FALSE(Admits(context, ""));
}

TEST(ContextRecordTest, PatternAdmitsEveryOneOfItsKind) {
  const ContextRecord context = Make({"user/*"});

  EXPECT_TRUE(Admits(context, "user/bob"));
  EXPECT_FALSE(Admits(context, "service/bob"));
  EXPECT_FALSE(Admits(context, "local/h1/1000"));
}

TEST(ContextRecordTest, WithoutUsersNobodyIsAdmitted) {
  EXPECT_FALSE(Admits(Make({}), "user/alice"));
}

TEST(ContextRecordTest, EveryFaultIsNamedAtOnce) {
  ContextRecord context =
      Make({"alice", "user/", "*", "host/h1", "local/h1/0", "user/a*"});
  context.id = "Build";
  context.description = std::string(201, 'd');
  context.spec.nice = 99;

  EXPECT_THAT(FaultsOf(context),
              UnorderedElementsAre(
                  "context_id", "context.description", "context.spec.nice",
                  "context.users", "context.users", "context.users",
                  "context.users", "context.users", "context.users"));
}

TEST(ContextRecordTest, UsersHaveABound) {
  std::vector<std::string> users;
  for (int i = 0; i < 64; ++i) users.push_back(absl::StrCat("user/u", i));
  EXPECT_THAT(FaultsOf(Make(users)), IsEmpty());

  users.push_back("user/*");

  EXPECT_THAT(FaultsOf(Make(users)), UnorderedElementsAre("context.users"));
}

}  // namespace
}  // namespace innkeeper
