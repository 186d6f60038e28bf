#include "agent/launcher/testing/test_network.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/net_address.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
// struct virtio_net_hdr, which says nothing when it is zero.
constexpr size_t kVnetHeader = 10;
constexpr size_t kMaxFrame = 65536;

std::string Shell(const std::string& command) {
  FILE* const pipe = popen(absl::StrCat(command, " 2>&1").c_str(), "r");
  std::string text;
  char buffer[4096];
  size_t got;
  while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    text.append(buffer, got);
  }
  pclose(pipe);
  return text;
}

}  // namespace

TestNetwork::TestNetwork() {
  static int number = 0;
  name_ = absl::StrCat("innkeeper-test-", getpid(), "-", number++);
  EXPECT_EQ(Shell(absl::StrCat("ip netns add ", name_)), "");
  EXPECT_EQ(Run("ip link set lo up && ip link add br0 type bridge && "
                "ip link set br0 up"),
            "");
}

TestNetwork::~TestNetwork() {
  EXPECT_EQ(Shell(absl::StrCat("ip netns del ", name_)), "");
}

std::string TestNetwork::Flag(const std::string& name,
                              const std::string& options) const {
  return absl::StrCat("--network=", name, "=br0:netns=", name_, options);
}

std::string TestNetwork::Run(const std::string& command) const {
  return Shell(absl::StrCat("ip netns exec ", name_, " sh -c '", command, "'"));
}

std::vector<std::string> TestNetwork::TapNames() const {
  std::vector<std::string> names;
  for (const absl::string_view line :
       absl::StrSplit(Run("ls /sys/class/net"), '\n')) {
    if (absl::StartsWith(line, "ink")) names.emplace_back(line);
  }
  return names;
}

std::string TestNetwork::Filter(const std::string& instance) const {
  const std::string table =
      Run(absl::StrCat("nft list table bridge innkeeper-", instance));
  return absl::StrContains(table, "No such file") ? "" : table;
}

void AddTap(const std::string& network, const std::string& mac,
            const std::vector<std::string>& addresses, int number,
            LaunchPlan* plan) {
  PlannedTap tap;
  tap.network = network;
  tap.mac = ParseMac(mac).value();
  for (const std::string& address : addresses) {
    tap.addresses.push_back(ParseIp(address).value());
  }
  plan->fds.push_back({number, FdKind::kTapQueue, QueuesOf(*plan)});
  plan->taps.push_back(tap);
}

TapEnd::TapEnd(const Launched& launched, int number)
    : fd_(static_cast<int>(
          syscall(SYS_pidfd_getfd, launched.pidfd.get(), number, 0))) {
  EXPECT_TRUE(fd_.valid()) << "descriptor " << number;
}

bool TapEnd::Send(const std::string& frame) {
  std::string header(kVnetHeader, '\0');
  std::string body = frame;
  iovec parts[] = {{header.data(), header.size()}, {body.data(), body.size()}};
  return writev(fd_.get(), parts, 2) ==
         static_cast<ssize_t>(header.size() + body.size());
}

std::vector<std::string> TapEnd::ReceiveUntil(
    const std::function<bool(const std::string&)>& last) {
  std::vector<std::string> frames;
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    pollfd waiting = {fd_.get(), POLLIN, 0};
    if (poll(&waiting, 1, 100) != 1) continue;
    std::string buffer(kMaxFrame, '\0');
    const ssize_t got = read(fd_.get(), buffer.data(), buffer.size());
    if (got < static_cast<ssize_t>(kVnetHeader)) continue;
    buffer.resize(static_cast<size_t>(got));
    frames.push_back(buffer.substr(kVnetHeader));
    if (last(frames.back())) break;
  }
  return frames;
}

}  // namespace innkeeper
