// The header parser against images that are made to mislead it, and against
// what qemu-img makes of the same bytes.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agent/guest/disk_spec.h"
#include "agent/image/header_parser.h"
#include "agent/image/testing/hostile_images.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace innkeeper {
namespace {

using ::nlohmann::json;
using ::testing::Ge;

class HostileImageTest : public testing::Test {
 protected:
  HostileImageTest()
      : directory_(absl::StrCat(testing::TempDir(), "/h.XXXXXX")) {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    HostileTargets targets;
    targets.file = absl::StrCat(directory_, "/canary");
    targets.socket = absl::StrCat(directory_, "/socket");
    targets.port = 10809;
    images_ = MakeHostileImages(targets);
  }
  ~HostileImageTest() override { std::filesystem::remove_all(directory_); }

  std::string PathOf(const HostileImage& image) const {
    return absl::StrCat(directory_, "/", image.name);
  }

  absl::StatusOr<ImageInfo> Read(const HostileImage& image) {
    EXPECT_THAT(WriteFileAtomically(PathOf(image), image.bytes, 0600), IsOk());
    const UniqueFd fd(open(PathOf(image).c_str(), O_RDONLY | O_CLOEXEC));
    return ReadImageInfo(fd.get(), image.format,
                         image.backing.empty() ? nullptr : image.backing.data(),
                         absl::StrCat("pools/main/volumes/", image.name));
  }

  // What `qemu-img info` says; null if it refuses. It has no network, sees no
  // other process and gets 20 seconds.
  static json QemuImgInfo(const std::string& path, DiskFormat format) {
    const std::string command = absl::StrCat(
        "unshare --net --ipc --pid --fork --mount timeout 20 "
        "/usr/bin/qemu-img info -U --output=json -f ",
        format == DiskFormat::kRaw ? "raw" : "qcow2", " '", path,
        "' 2>/dev/null");
    FILE* const pipe = popen(command.c_str(), "r");
    std::string text;
    char buffer[4096];
    size_t got;
    while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
      text.append(buffer, got);
    }
    if (pclose(pipe) != 0) return nullptr;
    return json::parse(text, nullptr, /*allow_exceptions=*/false);
  }

  std::string directory_;
  std::vector<HostileImage> images_;
};

TEST_F(HostileImageTest, ThereAreEnoughOfThemAndNoneIsThereTwice) {
  std::set<std::string> names;
  for (const HostileImage& image : images_) names.insert(image.name);
  EXPECT_EQ(names.size(), images_.size());
  EXPECT_THAT(images_.size(), Ge(size_t{200}));
}

TEST_F(HostileImageTest, EachIsRefusedThatItsHeaderGivesAway) {
  for (const HostileImage& image : images_) {
    const absl::StatusOr<ImageInfo> info = Read(image);
    if (image.refused) {
      EXPECT_THAT(info, HasReason(reason::kImageUnsupported)) << image.name;
    } else {
      EXPECT_THAT(info, IsOk()) << image.name;
    }
  }
}

// What is taken is what QEMU, too, understands it to be. The other way round,
// QEMU takes much that is refused here.
TEST_F(HostileImageTest, WhatIsTakenIsWhatQemuImgSees) {
  int compared = 0;
  for (const HostileImage& image : images_) {
    const absl::StatusOr<ImageInfo> info = Read(image);
    if (!info.ok()) continue;
    const json seen = QemuImgInfo(PathOf(image), image.format);
    // Refused by QEMU alone, which looks at the tables, too.
    if (seen.is_null()) continue;
    ++compared;
    EXPECT_EQ(seen["virtual-size"], info->virtual_bytes) << image.name;
    EXPECT_EQ(seen["format"],
              image.format == DiskFormat::kRaw ? "raw" : "qcow2");
    EXPECT_FALSE(seen.contains("backing-filename")) << image.name;
    EXPECT_FALSE(seen.contains("encrypted")) << image.name;
    if (image.format == DiskFormat::kQcow2) {
      EXPECT_EQ(seen["cluster-size"], int64_t{1} << info->cluster_bits);
      EXPECT_FALSE(seen["format-specific"]["data"].contains("data-file"))
          << image.name;
    }
  }
  EXPECT_GT(compared, 20);
}

}  // namespace
}  // namespace innkeeper
