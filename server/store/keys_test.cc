#include "server/store/keys.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/txn.h"

namespace innkeeper {
namespace {

using ::testing::Optional;

TEST(KeysTest, PlainIdIsReadableInItsKey) {
  EXPECT_EQ(keys::Guest("web-1"), "guests/web-1");
  EXPECT_EQ(keys::Host("h1.example"), "hosts/h1.example");
}

TEST(KeysTest, IdCannotReachBeyondItsPlace) {
  EXPECT_EQ(keys::Guest("a/b"), "guests/a%2Fb");
  EXPECT_EQ(keys::Guest("../hosts/h"), "guests/..%2Fhosts%2Fh");
  EXPECT_EQ(keys::Guest("a%2Fb"), "guests/a%252Fb");
}

TEST(KeysTest, PartsOfARequestKeyCannotBeShifted) {
  EXPECT_NE(keys::Request("user/a", "m", "r"),
            keys::Request("user", "a/m", "r"));
  EXPECT_EQ(keys::Request("user/a", "m", "r"), "requests/user%2Fa/m/r");
}

TEST(KeysTest, LongRequestIdsStayApartWithinTheKeyLimit) {
  const std::string longest(5000, '/');
  const std::string one = keys::Request(longest, longest, longest + "1");
  const std::string two = keys::Request(longest, longest, longest + "2");

  EXPECT_NE(one, two);
  EXPECT_LE(static_cast<int64_t>(one.size()), kMaxKeyBytes);
}

TEST(KeysTest, DigestCannotBeForgedByAnId) {
  const std::string key = keys::Request("c", "m", std::string(300, 'x'));
  const std::string digest = key.substr(key.rfind('/') + 1);

  EXPECT_NE(keys::Request("c", "m", digest), key);
}

TEST(KeysTest, IdIsReadBackFromItsKey) {
  const std::string id("a/%\0\xff", 5);
  EXPECT_THAT(keys::IdIn(keys::kGuests, keys::Guest(id)), Optional(id));
}

TEST(KeysTest, KeyOfAnotherKindHasNoId) {
  EXPECT_EQ(keys::IdIn(keys::kGuests, keys::Host("h")), std::nullopt);
  EXPECT_EQ(keys::IdIn(keys::kGuests, "guests/a/b"), std::nullopt);
  EXPECT_EQ(keys::IdIn(keys::kGuests, "guests/a%2"), std::nullopt);
}

}  // namespace
}  // namespace innkeeper
