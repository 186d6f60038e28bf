#include "agent/security/fact_reader.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "agent/launch/guest_facts.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;
using testing::Pair;

GuestFacts Facts(const std::string& name, const std::string& text) {
  GuestFacts facts;
  facts.facts = {{name, 0, text}};
  return facts;
}

TEST(FactReaderTest, FieldsOfAStatusAreFoundByTheirWholeNames) {
  const GuestFacts facts =
      Facts("status",
            "Name:\tq\nUidx:\t9\nUid:\t1\t2\t 3\t4\nGroups:\t\nCapEff:\t0\n");
  const FactReader reader(facts);

  EXPECT_THAT(reader.Field("status", "Uid"), IsOkAndHolds("1 2 3 4"));
  EXPECT_THAT(reader.Field("status", "Groups"), IsOkAndHolds(""));
  EXPECT_THAT(reader.Field("status", "NoNewPrivs").status().message(),
              HasSubstr("no NoNewPrivs in status"));
}

TEST(FactReaderTest, WhatWasNotReadSaysWhy) {
  GuestFacts facts;
  facts.facts = {{"attr", EINVAL, ""}};
  const FactReader reader(facts);

  EXPECT_THAT(reader.Text("attr").status().message(),
              HasSubstr("Invalid argument"));
  EXPECT_THAT(reader.Text("limits").status().message(),
              HasSubstr("does not have it"));
}

TEST(FactReaderTest, StatIsReadBehindANameThatLooksLikeFields) {
  std::string text = "7 (a) S 1 (x) 2) R";
  for (int field = 4; field <= 41; ++field) text += " " + std::to_string(field);
  const GuestFacts facts = Facts("stat", text + "\n");
  const FactReader reader(facts);

  EXPECT_THAT(reader.StatField(19), IsOkAndHolds(19));
  EXPECT_THAT(reader.StatField(41), IsOkAndHolds(41));
  EXPECT_FALSE(reader.StatField(42).ok());
  EXPECT_FALSE(reader.StatField(3).ok());
}

TEST(FactReaderTest, BothLimitsAreRead) {
  const GuestFacts facts = Facts(
      "limits",
      "Limit                     Soft Limit           Hard Limit  Units\n"
      "Max core file size        1                    unlimited   bytes\n");
  const FactReader reader(facts);

  EXPECT_THAT(reader.Limit("Max core file size"),
              IsOkAndHolds(Pair("1", "unlimited")));
  EXPECT_FALSE(reader.Limit("Max open files").ok());
}

TEST(FactReaderTest, MountsHaveTheirOwnOptionsAndNoneIsCutOff) {
  const GuestFacts facts = Facts(
      "mountinfo", "2 1 0:5 / /proc ro,nosuid master:3 - proc proc rw,suid\n");
  const auto mounts = FactReader(facts).Mounts();

  ASSERT_THAT(mounts, IsOk());
  ASSERT_EQ(mounts->size(), 1u);
  EXPECT_EQ((*mounts)[0].point, "/proc");
  EXPECT_TRUE((*mounts)[0].Has("ro"));
  EXPECT_FALSE((*mounts)[0].Has("rw"));
  for (const char* cut : {"2 1 0:5 / /proc ro,nosuid", "2 1 0:5 /\n"}) {
    const GuestFacts less = Facts("mountinfo", cut);
    EXPECT_FALSE(FactReader(less).Mounts().ok()) << cut;
  }
}

TEST(FactReaderTest, DescriptorsAreCountedByKind) {
  const GuestFacts facts = Facts("fds", "file-read 3 1\nsocket 2 2\n");
  const auto kinds = FactReader(facts).Fds();

  ASSERT_THAT(kinds, IsOk());
  EXPECT_EQ(kinds->at("file-read").count, 3);
  EXPECT_EQ(kinds->at("file-read").distinct, 1);
  const GuestFacts odd = Facts("fds", "file-read three 1\n");
  EXPECT_FALSE(FactReader(odd).Fds().ok());
}

TEST(FactReaderTest, EntriesEndTheirKeys) {
  const GuestFacts facts = Facts("ns", "net:[1]\nnet6:[2]\n");
  const FactReader reader(facts);

  EXPECT_THAT(reader.Entry("ns", "net"), IsOkAndHolds("[1]"));
  EXPECT_FALSE(reader.Entry("ns", "ne").ok());
}

TEST(FactReaderTest, NumbersAndLinesLoseWhatIsBlankAroundThem) {
  GuestFacts facts;
  facts.facts = {{"oom_score_adj", 0, " 500\n"},
                 {"attr", 0, std::string("profile\0", 8)}};
  const FactReader reader(facts);

  EXPECT_THAT(reader.Number("oom_score_adj"), IsOkAndHolds(500));
  EXPECT_THAT(reader.Line("attr"), IsOkAndHolds("profile"));
  EXPECT_FALSE(reader.Number("attr").ok());
}

}  // namespace
}  // namespace innkeeper
