#include "agent/lease/lease_watcher.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/net_address.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr char kMac[] = "52:54:00:12:34:56";

class LeaseWatcherTest : public testing::Test {
 protected:
  LeaseWatcherTest() {
    directory_ = absl::StrCat(testing::TempDir(), "/leasesXXXXXX");
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/lan.leases";
  }

  void Start(const std::map<std::string, std::string>& files) {
    auto watcher = LeaseWatcher::Start({&loop_, &executor_, &clock_, files,
                                        [this](const LeasedAddresses& now) {
                                          absl::MutexLock lock(&mutex_);
                                          told_.push_back(now);
                                        }});
    ASSERT_THAT(watcher, IsOk());
    watcher_ = *std::move(watcher);
  }
  static std::string Line(const std::string& address, int64_t expiry) {
    return absl::StrCat(expiry, " ", kMac, " ", address, " web *\n");
  }
  // In one step, so that no reading sees half of it.
  void Write(const std::string& path, const std::string& address,
             int64_t expiry = 0) {
    const std::string temporary = directory_ + "/temporary";
    std::ofstream(temporary) << Line(address, expiry);
    ASSERT_EQ(rename(temporary.c_str(), path.c_str()), 0);
  }
  // Whether `count` readings differed, the last of which is `addresses` in all.
  bool Told(size_t count, const std::vector<std::string>& addresses) {
    const auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return told_.size() >= count;
    };
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&is_there),
                                 absl::Seconds(20))) {
      return false;
    }
    std::vector<std::string> all;
    for (const auto& [unused, network] : told_.back()) {
      for (const auto& [mac, of_mac] : network) {
        all.insert(all.end(), of_mac.begin(), of_mac.end());
      }
    }
    return told_.size() == count && all == addresses;
  }

  std::string directory_;
  std::string path_;
  FakeClock clock_;
  EventLoop loop_{"test"};
  Executor executor_{"test", 1, 16};
  absl::Mutex mutex_;
  std::vector<LeasedAddresses> told_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<LeaseWatcher> watcher_;
};

TEST_F(LeaseWatcherTest, TellsWhatThereIsAtTheStart) {
  Write(path_, "192.0.2.7");
  Start({{"lan", path_}});
  ASSERT_TRUE(Told(1, {"192.0.2.7"}));
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(told_[0].at("lan").begin()->first, *ParseMac(kMac));
}

TEST_F(LeaseWatcherTest, FileThatIsNotThereYetHasNoLeases) {
  Start({{"lan", path_}});
  ASSERT_TRUE(Told(1, {}));
  Write(path_, "192.0.2.7");
  EXPECT_TRUE(Told(2, {"192.0.2.7"}));
}

TEST_F(LeaseWatcherTest, ChangeIsSeenInPlaceByRenameAndByRemoval) {
  Write(path_, "192.0.2.7");
  Start({{"lan", path_}});
  ASSERT_TRUE(Told(1, {"192.0.2.7"}));
  {
    const UniqueFd file(open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_THAT(WriteAll(file.get(), Line("192.0.2.8", 0)), IsOk());
  }
  ASSERT_TRUE(Told(2, {"192.0.2.8"}));
  Write(path_, "192.0.2.9");
  ASSERT_TRUE(Told(3, {"192.0.2.9"}));
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_TRUE(Told(4, {}));
}

TEST_F(LeaseWatcherTest, NetworksOfOneDirectoryAreKeptApart) {
  Write(path_, "192.0.2.7");
  Write(directory_ + "/wan.leases", "198.51.100.7");
  Start({{"lan", path_}, {"wan", directory_ + "/wan.leases"}});
  ASSERT_TRUE(Told(1, {"192.0.2.7", "198.51.100.7"}));
  Write(directory_ + "/wan.leases", "198.51.100.8");
  EXPECT_TRUE(Told(2, {"192.0.2.7", "198.51.100.8"}));
}

TEST_F(LeaseWatcherTest, LeaseThatHasRunOutIsNone) {
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  Write(path_, "192.0.2.7", now - 1);
  Start({{"lan", path_}});
  ASSERT_TRUE(Told(1, {}));
  Write(path_, "192.0.2.7", now + 3600);
  EXPECT_TRUE(Told(2, {"192.0.2.7"}));
}

TEST_F(LeaseWatcherTest, WatcherMayGoAtAnyTime) {
  Write(path_, "192.0.2.7");
  for (int i = 0; i < 20; ++i) {
    Start({{"lan", path_}, {"gone", directory_ + "/none/leases"}});
    watcher_.reset();
  }
}

}  // namespace
}  // namespace innkeeper
