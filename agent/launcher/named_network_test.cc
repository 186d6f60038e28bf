#include "agent/launcher/named_network.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class NamedNetworkTest : public testing::Test {
 protected:
  NamedNetworkTest() {
    char path[] = "/tmp/ik-netns-XXXXXX";
    dir_ = mkdtemp(path);
    chmod(dir_.c_str(), 0755);
    // As ip-netns(8) does it, of this process's own namespaces.
    Bind("/proc/self/ns/net", "blue");
    Bind("/proc/self/ns/uts", "hostname");
    std::ofstream(dir_ + "/file") << "x";
    fs::create_symlink("blue", dir_ + "/link");
    mkfifo((dir_ + "/fifo").c_str(), 0666);
  }
  ~NamedNetworkTest() override {
    for (const char* name : {"/blue", "/hostname"}) {
      umount2((dir_ + name).c_str(), MNT_DETACH);
    }
    fs::remove_all(dir_);
  }

  void Bind(const char* source, const std::string& name) {
    std::ofstream(dir_ + "/" + name).flush();
    ASSERT_EQ(
        mount(source, (dir_ + "/" + name).c_str(), nullptr, MS_BIND, nullptr),
        0);
  }

  std::string dir_;
};

TEST_F(NamedNetworkTest, NamespaceIsOpenedByItsName) {
  const auto opened = OpenNamedNetwork("blue", dir_);

  ASSERT_THAT(opened, IsOk());
  struct stat here, there;
  ASSERT_EQ(stat("/proc/self/ns/net", &here), 0);
  ASSERT_EQ(fstat(opened->get(), &there), 0);
  EXPECT_EQ(here.st_ino, there.st_ino);
}

TEST_F(NamedNetworkTest, EverythingElseIsRefused) {
  for (const char* name : {"absent", "file", "link", "fifo", "hostname", "",
                           "..", "../../proc/self/ns/net", "blue/"}) {
    EXPECT_THAT(OpenNamedNetwork(name, dir_),
                HasReason(reason::kContextUnavailable))
        << name;
  }
}

TEST_F(NamedNetworkTest, DirectoryThatOthersCanWriteIsNotTrusted) {
  chmod(dir_.c_str(), 0777);

  EXPECT_THAT(OpenNamedNetwork("blue", dir_),
              HasReason(reason::kContextUnavailable));
}

TEST_F(NamedNetworkTest, OnlyNetworkNamespacesAreListed) {
  EXPECT_THAT(ListNamedNetworks(10, dir_), ElementsAre("blue"));
  EXPECT_TRUE(ListNamedNetworks(0, dir_).empty());
  EXPECT_TRUE(ListNamedNetworks(10, dir_ + "/absent").empty());
}

}  // namespace
}  // namespace innkeeper
