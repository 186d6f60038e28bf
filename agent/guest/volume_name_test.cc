#include "agent/guest/volume_name.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

TEST(VolumeNameTest, ANameHasItsPoolAndItsVolume) {
  const auto name = ParseVolumeName("pools/fast/volumes/root.qcow2", "kernel");

  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(name->pool, "fast");
  EXPECT_EQ(name->volume, "root.qcow2");
  EXPECT_EQ(name->ToString(), "pools/fast/volumes/root.qcow2");
}

TEST(VolumeNameTest, PathsAndOptionsAreRefused) {
  for (const absl::string_view name :
       {"", "/etc/shadow", "pools/a/volumes/..", "pools/a/volumes/.hidden",
        "pools/../volumes/a", "pools/a/volumes/b/c", "pools/a/volumes/",
        "pools//volumes/a", "volumes/a/pools/b", "pools/a/volumes/b,file=c",
        "pools/a/volumes/b\n", "pools/a/volumes/nbd:x", "pools/a/volumes/b c",
        "pools/a/volumes/json:{}"}) {
    const auto parsed = ParseVolumeName(name, "guest.spec.kernel");
    EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("a path of the host is never")));
    ASSERT_EQ(DetailsOf(parsed.status()).fields.size(), 1u) << name;
    EXPECT_EQ(DetailsOf(parsed.status()).fields[0].field, "guest.spec.kernel");
  }
  EXPECT_FALSE(IsPoolOrVolumeId(std::string(64, 'a')));
  EXPECT_FALSE(IsPoolOrVolumeId(absl::string_view("a\0b", 3)));
}

TEST(VolumeNameTest, AHugeNameMakesNoHugeMessage) {
  const auto name = ParseVolumeName(std::string(1 << 20, '/'), "kernel");

  EXPECT_LT(name.status().message().size(), 1000u);
}

}  // namespace
}  // namespace innkeeper
