#include "agent/launcher/remove_tree.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

class RemoveTreeTest : public testing::Test {
 protected:
  RemoveTreeTest() : top_(absl::StrCat(testing::TempDir(), "/treeXXXXXX")) {
    EXPECT_NE(mkdtemp(top_.data()), nullptr);
  }
  ~RemoveTreeTest() override { fs::remove_all(top_); }

  std::string In(const std::string& name) {
    return absl::StrCat(top_, "/", name);
  }
  void Touch(const std::string& name) { std::ofstream(In(name)) << "x"; }

  std::string top_;
};

TEST_F(RemoveTreeTest, EverythingInTheDirectoryGoesWithIt) {
  fs::create_directories(In("tree/a/b"));
  Touch("tree/file");
  Touch("tree/a/b/file");

  EXPECT_THAT(RemoveTree(In("tree")), IsOk());
  EXPECT_FALSE(fs::exists(In("tree")));
}

TEST_F(RemoveTreeTest, WhatIsAbsentIsNoFault) {
  EXPECT_THAT(RemoveTree(In("tree")), IsOk());
}

TEST_F(RemoveTreeTest, LinksAreRemovedAndWhatTheyNameStays) {
  fs::create_directories(In("tree"));
  fs::create_directories(In("other"));
  Touch("other/file");
  fs::create_symlink(In("other"), In("tree/link"));
  fs::create_hard_link(In("other/file"), In("tree/second"));

  EXPECT_THAT(RemoveTree(In("tree")), IsOk());
  EXPECT_TRUE(fs::exists(In("other/file")));
}

TEST_F(RemoveTreeTest, LinkInPlaceOfTheDirectoryIsRefused) {
  fs::create_directories(In("other"));
  Touch("other/file");
  fs::create_symlink(In("other"), In("tree"));

  EXPECT_FALSE(RemoveTree(In("tree")).ok());
  EXPECT_TRUE(fs::exists(In("other/file")));
}

}  // namespace
}  // namespace innkeeper
