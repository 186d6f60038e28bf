#include "agent/launcher/testing/block_lab.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr unsigned kLoopMajor = 7;
// Another user of loop devices may take the free one first.
constexpr int kTries = 20;

}  // namespace

BlockLab::BlockLab() {
  char path[] = "/tmp/ikb-XXXXXX";
  if (mkdtemp(path) == nullptr) abort();
  dir_ = path;
  chmod(path, 0755);
  mkdir(dev_dir().c_str(), 0755);
  if (mount("devices", dev_dir().c_str(), "tmpfs", 0, "mode=0755") != 0) {
    abort();
  }
  std::ofstream(dir_ + "/list") << "# volumes of the test\n";
}

BlockLab::~BlockLab() {
  for (auto& [volume, loop] : loops_) {
    // Detached once whoever else has it open has let go.
    EXPECT_EQ(ioctl(loop.device.get(), LOOP_CLR_FD, 0), 0) << volume;
    loop.device.reset();
  }
  EXPECT_EQ(umount2(dev_dir().c_str(), MNT_DETACH), 0);
  std::filesystem::remove_all(dir_);
}

bool BlockLab::Add(const std::string& volume, int64_t bytes) {
  const std::string file = backing(volume);
  const UniqueFd image(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const UniqueFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!image.valid() || ftruncate(image.get(), bytes) != 0 ||
      !control.valid()) {
    ADD_FAILURE() << "no loop devices here: errno " << errno;
    return false;
  }
  for (int i = 0; i < kTries; ++i) {
    const int index = ioctl(control.get(), LOOP_CTL_GET_FREE);
    UniqueFd device(
        open(absl::StrCat("/dev/loop", index).c_str(), O_RDWR | O_CLOEXEC));
    if (!device.valid() || ioctl(device.get(), LOOP_SET_FD, image.get()) != 0) {
      continue;
    }
    loops_[volume] = {std::move(device), index};
    if (mknod(node(volume).c_str(), S_IFBLK | 0600, number(volume)) != 0) {
      ADD_FAILURE() << "mknod: errno " << errno;
      return false;
    }
    std::ofstream(dir_ + "/list", std::ios::app)
        << volume << " loop=" << file << "\n";
    return true;
  }
  ADD_FAILURE() << "no free loop device: errno " << errno;
  return false;
}

std::vector<std::string> BlockLab::flags() const {
  return {absl::StrCat("--block-pool=blocks=", dir_, "/list"),
          absl::StrCat("--dev-dir=", dev_dir())};
}

std::string BlockLab::node(const std::string& volume) const {
  return absl::StrCat(dev_dir(), "/loop", loops_.at(volume).index);
}

dev_t BlockLab::number(const std::string& volume) const {
  return makedev(kLoopMajor, static_cast<unsigned>(loops_.at(volume).index));
}

}  // namespace innkeeper
