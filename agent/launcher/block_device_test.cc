#include "agent/launcher/block_device.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(BlockDeviceTest, FileIsOnTheDeviceOfItsFileSystem) {
  const UniqueFd file(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  struct stat info;
  ASSERT_EQ(fstat(file.get(), &info), 0);
  if (major(info.st_dev) == 0) {
    GTEST_SKIP() << "NOT RUN: /etc is on no block device here";
  }

  const auto device = BlockDeviceOf(file.get());

  ASSERT_THAT(device, IsOk());
  EXPECT_NE(major(*device), 0u);
}

TEST(BlockDeviceTest, MemoryIsOnNone) {
  const UniqueFd memory(memfd_create("memory", MFD_CLOEXEC));

  EXPECT_THAT(BlockDeviceOf(memory.get()),
              HasReason(reason::kContextUnavailable));
}

TEST(BlockDeviceTest, ClosedDescriptorIsAnError) {
  EXPECT_FALSE(BlockDeviceOf(-1).ok());
}

}  // namespace
}  // namespace innkeeper
