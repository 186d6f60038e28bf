#include "agent/launcher/guest_facts_codec.h"

#include <string>

#include "agent/launch/guest_facts.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

GuestFacts Some() {
  GuestFacts facts;
  facts.pid = 4711;
  facts.keeper_pid = 4710;
  facts.unix_uid = 1880000002;
  facts.unix_gid = 1880000003;
  facts.start_time_ticks = uint64_t{1} << 40;
  facts.facts = {{"status", 0, "Name:\tqemu\n"}, {"attr", 22, ""}};
  return facts;
}

TEST(GuestFactsCodecTest, WhatIsEncodedIsDecoded) {
  const auto decoded = DecodeGuestFacts(EncodeGuestFacts(Some()));

  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->pid, 4711);
  EXPECT_EQ(decoded->keeper_pid, 4710);
  EXPECT_EQ(decoded->unix_uid, 1880000002u);
  EXPECT_EQ(decoded->unix_gid, 1880000003u);
  EXPECT_EQ(decoded->start_time_ticks, uint64_t{1} << 40);
  ASSERT_EQ(decoded->facts.size(), 2u);
  EXPECT_EQ(decoded->facts[0].name, "status");
  EXPECT_EQ(decoded->facts[0].text, "Name:\tqemu\n");
  EXPECT_EQ(decoded->facts[1].error, 22);
}

TEST(GuestFactsCodecTest, EveryPartOfAValueIsRefused) {
  const std::string whole = EncodeGuestFacts(Some());
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(DecodeGuestFacts(whole.substr(0, length)),
                HasReason(reason::kInvalidRequest))
        << length;
  }
  EXPECT_THAT(DecodeGuestFacts(whole + "x"),
              HasReason(reason::kInvalidRequest));
}

TEST(GuestFactsCodecTest, WhateverIsReadFitsIntoOneMessage) {
  GuestFacts facts;
  for (int i = 0; i < 500; ++i) {
    facts.facts.push_back({"mountinfo", 0, std::string(100000, 'm')});
  }

  const std::string encoded = EncodeGuestFacts(facts);

  EXPECT_LT(encoded.size(), size_t{60} * 1024);
  const auto decoded = DecodeGuestFacts(encoded);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->facts.size(), 4u);
  EXPECT_EQ(decoded->facts[0].text.size(), kMaxFactBytes);
}

}  // namespace
}  // namespace innkeeper
