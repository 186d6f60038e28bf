#include "agent/host/volume_scanner.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(VolumeScannerTest, OnlyPlainFilesWithGoodNamesAreVolumes) {
  const std::string pool = absl::StrCat(testing::TempDir(), "/pool");
  ASSERT_EQ(mkdir(pool.c_str(), 0755), 0);
  ASSERT_EQ(mkdir(absl::StrCat(pool, "/folder").c_str(), 0755), 0);
  ASSERT_THAT(WriteFileAtomically(pool + "/b.qcow2", "", 0600), IsOk());
  ASSERT_THAT(WriteFileAtomically(pool + "/a.raw", "", 0600), IsOk());
  ASSERT_THAT(WriteFileAtomically(pool + "/with space", "", 0600), IsOk());
  ASSERT_EQ(symlink("/etc/passwd", absl::StrCat(pool, "/link").c_str()), 0);

  EXPECT_THAT(
      ScanVolumes({{"main", pool}}),
      ElementsAre("pools/main/volumes/a.raw", "pools/main/volumes/b.qcow2"));
}

TEST(VolumeScannerTest, ListsAreMergedInOrderAndBounded) {
  EXPECT_THAT(MergeVolumes({"b", "d"}, {"a", "c"}),
              ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(
      MergeVolumes(std::vector<std::string>(kMaxListedVolumes, "a"), {"b"})
          .back(),
      "a");
}

TEST(VolumeScannerTest, PoolThatCannotBeReadIsLeftOut) {
  EXPECT_THAT(ScanVolumes({{"main", "/nonexistent"}}), IsEmpty());
}

}  // namespace
}  // namespace innkeeper
