#include "agent/launcher/overlay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

class OverlayTest : public testing::TestWithParam<int64_t> {};

TEST_P(OverlayTest, QemuFindsASoundImageOfThatSize) {
  const auto overlay = MakeOverlay(testing::TempDir(), GetParam());
  ASSERT_THAT(overlay, IsOk());
  const std::string name =
      absl::StrCat("/proc/", getpid(), "/fd/", overlay->get());

  EXPECT_EQ(system(absl::StrCat("qemu-img check -q -f qcow2 ", name).c_str()),
            0);
  EXPECT_EQ(
      system(absl::StrCat("qemu-img info --output=json -f qcow2 ", name,
                          " | grep -q '\"virtual-size\": ", GetParam(), "'")
                 .c_str()),
      0);
  struct stat info;
  ASSERT_EQ(fstat(overlay->get(), &info), 0);
  EXPECT_EQ(info.st_nlink, 0u);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

INSTANTIATE_TEST_SUITE_P(Sizes, OverlayTest,
                         testing::Values(512, int64_t{1} << 20,
                                         (int64_t{512} << 20) + 512,
                                         int64_t{40} << 30, int64_t{16} << 40));

TEST(RamTest, NobodyCanResizeIt) {
  const auto ram = MakeRam(1 << 20);
  ASSERT_THAT(ram, IsOk());

  EXPECT_NE(ftruncate(ram->get(), 4096), 0);
  EXPECT_NE(ftruncate(ram->get(), 2 << 20), 0);
  EXPECT_NE(fcntl(ram->get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
}

}  // namespace
}  // namespace innkeeper
