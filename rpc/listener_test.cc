#include "rpc/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::MatchesRegex;

// Short, because the test's own directory is too long for a socket's path.
class ListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    char dir[] = "/tmp/listenXXXXXX";
    ASSERT_NE(mkdtemp(dir), nullptr);
    dir_ = dir;
    path_ = dir_ + "/s";
  }
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(dir_.c_str());
  }

  std::string dir_;
  std::string path_;
};

TEST_F(ListenerTest, TcpTakesAFreePortAndSaysWhich) {
  const auto listener = ListenTcp("127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  EXPECT_THAT(listener->address, MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  EXPECT_THAT(ListenTcp(listener->address), HasReason(reason::kSystemError));
}

TEST_F(ListenerTest, OnlyNumericAddressesAreTaken) {
  for (const char* address :
       {"", ":80", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
        "127.0.0.1:65536", "::1:80", "[::1]", "[::1:80", "*:80"}) {
    EXPECT_THAT(ListenTcp(address), HasReason(reason::kConfigInvalid))
        << address;
  }
}

TEST_F(ListenerTest, UnixSocketHasItsMode) {
  const auto listener = ListenUnix(path_, 0600);
  ASSERT_THAT(listener, IsOk());
  EXPECT_EQ(listener->address, "unix:" + path_);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ListenerTest, StaleSocketIsReplacedAndALiveOneIsNot) {
  { ASSERT_THAT(ListenUnix(path_, 0600), IsOk()); }
  const auto second = ListenUnix(path_, 0600);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(ListenUnix(path_, 0600),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(ListenerTest, FileThatIsNoSocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_THAT(ListenUnix(path_, 0600),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, PathsThatDoNotFitAreRefused) {
  EXPECT_THAT(ListenUnix("", 0600), HasReason(reason::kConfigInvalid));
  EXPECT_THAT(ListenUnix("/tmp/" + std::string(200, 'x'), 0600),
              HasReason(reason::kConfigInvalid));
}

}  // namespace
}  // namespace innkeeper
