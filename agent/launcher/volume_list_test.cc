#include "agent/launcher/volume_list.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/launcher/protocol.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::SizeIs;

TEST(VolumeListTest, VolumesComeBackAsTheyWent) {
  const auto reply = DecodeVolumesReply(
      EncodeVolumesReply({{"fast", "root", 1 << 20}, {"fast", "swap", 512}}));

  ASSERT_THAT(reply, IsOk());
  EXPECT_FALSE(reply->more);
  ASSERT_THAT(reply->volumes, SizeIs(2));
  EXPECT_EQ(VolumeKey(reply->volumes[0]), "fast/root");
  EXPECT_EQ(reply->volumes[0].bytes, 1 << 20);
  EXPECT_EQ(reply->volumes[1].name, "swap");
}

TEST(VolumeListTest, LongListComesInParts) {
  std::vector<PoolVolume> volumes;
  for (int i = 1000; i < 2000; ++i) {
    volumes.push_back(
        {std::string(63, 'p'), absl::StrCat(std::string(59, 'v'), i), i});
  }

  const std::string encoded = EncodeVolumesReply(volumes);

  EXPECT_LT(encoded.size(), kMaxMessageBytes - 1024);
  const auto reply = DecodeVolumesReply(encoded);
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(reply->more);
  EXPECT_GT(reply->volumes.size(), 100U);
  EXPECT_LT(reply->volumes.size(), volumes.size());
}

TEST(VolumeListTest, MalformedListIsRefused) {
  const std::string good = EncodeVolumesReply({{"fast", "root", 1}});
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(DecodeVolumesReply(good.substr(0, size)),
                HasReason(reason::kInvalidRequest));
  }
  EXPECT_THAT(DecodeVolumesReply(good + "x"),
              HasReason(reason::kInvalidRequest));
  EXPECT_THAT(DecodeVolumesReply(
                  EncodeVolumesReply({{std::string(64, 'p'), "root", 1}})),
              HasReason(reason::kInvalidRequest));
}

}  // namespace
}  // namespace innkeeper
