#include "auth/principal.h"

#include <string>
#include <vector>

#include "absl/hash/hash_testing.h"
#include "absl/strings/string_view.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;

TEST(PrincipalTest, EveryKindReadsBackAsItWasWritten) {
  for (const std::string text :
       {"user/alice", "service/ci", "host/h1", "server/s1", "gateway/g1",
        "enrol/x", "local/h1/0", "local/h1/4294967295"}) {
    const auto principal = Principal::Parse(text);
    ASSERT_THAT(principal, IsOk()) << text;
    EXPECT_EQ(principal->ToString(), text);
  }
}

TEST(PrincipalTest, WhatIsNotExactlyAPrincipalIsRefused) {
  const std::vector<std::string> texts = {"",
                                          "user",
                                          "user/",
                                          "/alice",
                                          "user/Alice",
                                          "USER/alice",
                                          "user/a/b",
                                          "user/alice/",
                                          "user/-a",
                                          "user/.a",
                                          "user/a b",
                                          "user/a%2eb",
                                          std::string("user/a\0b", 8),
                                          "admin/root",
                                          "local/h1",
                                          "local/h1/",
                                          "local/h1/x",
                                          "local/h1/01",
                                          "local/h1/-1",
                                          "local/h1/+1",
                                          "local/h1/4294967296",
                                          "local/H/1",
                                          "local/h1/1/2",
                                          "local//1",
                                          "user/*",
                                          "user/" + std::string(64, 'a'),
                                          " user/a",
                                          "user/a\n",
                                          "user/\xc3\xa4"};
  for (const std::string& text : texts) {
    EXPECT_THAT(Principal::Parse(text), StatusIs(StatusCode::kInvalidArgument))
        << text;
  }
  EXPECT_THAT(Principal::Parse("user/" + std::string(63, 'a')), IsOk());
}

TEST(PrincipalTest, OnlyTheExactSpiffeIdOfTheTrustDomainIsAName) {
  const auto alice = Principal::FromSpiffeId("spiffe://example.test/user/alice",
                                             "example.test");
  ASSERT_THAT(alice, IsOk());
  EXPECT_EQ(alice->SpiffeId("example.test"),
            "spiffe://example.test/user/alice");
  for (const std::string uri :
       {"SPIFFE://example.test/user/alice", "spiffe://Example.test/user/alice",
        "spiffe://example.test:443/user/alice",
        "spiffe://x@example.test/user/alice",
        "spiffe://example.test/user/alice?x", "spiffe://example.test/user/a#x",
        "spiffe://example.test.evil/user/alice",
        "spiffe://evil/example.test/user/alice", "spiffe://example.test",
        "spiffe://example.test/", "spiffe://example.test//user/alice",
        "spiffe://example.test/user/alice/", "spiffe://example.test/local/h/0",
        "spiffe://example.test/../user/alice", "https://example.test/user/a",
        "spiffe:/example.test/user/alice", ""}) {
    EXPECT_THAT(Principal::FromSpiffeId(uri, "example.test"),
                StatusIs(StatusCode::kInvalidArgument))
        << uri;
  }
}

TEST(PrincipalTest, AnEmptyTrustDomainTrustsNobody) {
  EXPECT_THAT(Principal::FromSpiffeId("spiffe:///user/alice", ""),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST(PrincipalTest, LocalAccountsHaveNoSpiffeId) {
  EXPECT_EQ(Principal::Local("h1", 7)->SpiffeId("example.test"), "");
  EXPECT_THAT(Principal::Local("H", 7), StatusIs(StatusCode::kInvalidArgument));
}

TEST(PrincipalTest, EqualOnesHashTheSame) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {*Principal::Parse("user/a"), *Principal::Parse("user/b"),
       *Principal::Parse("service/a"), *Principal::Parse("local/a/1")}));
}

}  // namespace
}  // namespace innkeeper
