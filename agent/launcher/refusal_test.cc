// What the launcher refuses, asked by an agent that has been taken over.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launcher/protocol.h"
#include "agent/launcher/testing/launcher_harness.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

class RefusalTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.Start(), IsOk()); }

  // Sends `datagram` and reads the status that answers it.
  absl::Status Ask(int socket, const std::string& datagram) {
    if (send(socket, datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0) {
      return absl::UnavailableError("not sent");
    }
    std::string answer(kMaxMessageBytes + 1, '\0');
    const ssize_t got = recv(socket, answer.data(), answer.size(), 0);
    if (got <= 0) return absl::UnavailableError("no answer");
    answer.resize(static_cast<size_t>(got));
    absl::StatusOr<Message> message = DecodeMessage(answer);
    if (!message.ok()) return message.status();
    return DecodeReply(message->payload);
  }

  LauncherHarness harness_;
};

TEST_F(RefusalTest, NoNameLeadsOutOfAPool) {
  const std::string secret = harness_.dir() + "/secret";
  std::ofstream(secret) << "secret";
  const std::string pool = harness_.pool_dir();
  fs::create_directory(pool + "/sub");
  std::ofstream(pool + "/sub/good.img") << "good";
  fs::create_symlink(secret, pool + "/absolute-link");
  fs::create_symlink("../secret", pool + "/relative-link");
  fs::create_symlink("sub", pool + "/dir-link");
  fs::create_hard_link(secret, pool + "/hard-link");
  ASSERT_EQ(mkfifo((pool + "/fifo").c_str(), 0666), 0);
  ASSERT_EQ(mknod((pool + "/disk").c_str(), S_IFBLK | 0666, makedev(254, 0)),
            0);
  ASSERT_EQ(mknod((pool + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);

  EXPECT_THAT(harness_.OpenImage("disks", "sub/good.img"), IsOk());
  for (const char* name : {"/etc/shadow", "..", "../secret", "sub/../../secret",
                           "", ".", "sub//good.img", "./sub/good.img"}) {
    EXPECT_THAT(harness_.OpenImage("disks", name),
                HasReason(reason::kInvalidRequest))
        << name;
  }
  for (const char* name :
       {"absolute-link", "relative-link", "dir-link/good.img", "hard-link",
        "fifo", "disk", "null", "sub"}) {
    EXPECT_THAT(harness_.OpenImage("disks", name),
                HasReason(reason::kImageUnsupported))
        << name;
  }
  EXPECT_THAT(harness_.OpenImage("disks", "absent"),
              HasReason(reason::kVolumeNotFound));
  EXPECT_THAT(harness_.OpenImage("other", "sub/good.img"),
              HasReason(reason::kPoolNotFound));
}

TEST_F(RefusalTest, FileUnderALeaseDoesNotHoldTheLauncherUp) {
  const std::string path = harness_.pool_dir() + "/leased.img";
  std::ofstream(path) << "leased";
  UniqueFd holder(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  // The kernel tells the holder to let go; it does not.
  signal(SIGIO, SIG_IGN);
  ASSERT_EQ(fcntl(holder.get(), F_SETLEASE, F_WRLCK), 0);
  const absl::Time before = absl::Now();

  EXPECT_FALSE(harness_.OpenImage("disks", "leased.img").ok());

  EXPECT_LT(absl::Now() - before, absl::Seconds(10));
  holder.reset();
  const auto opened = harness_.OpenImage("disks", "leased.img");
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(fcntl(opened->get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(RefusalTest, LaunchWithABadImageNamesItAndLeavesNothing) {
  LaunchPlan plan = harness_.FakePlan("bad", {"sleep"});
  fs::create_symlink("/etc/shadow", harness_.pool_dir() + "/link");
  plan.images = {{"disks", "link", true, 1 << 20}};
  plan.fds.push_back({7, FdKind::kImage, 0});

  EXPECT_THAT(harness_.Launch(plan),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("link")));
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(RefusalTest, ContextThatTheLauncherCannotGiveIsRefused) {
  LaunchPlan plan = harness_.FakePlan("named", {"sleep"});
  plan.context.identity = IdentityKind::kNamed;
  plan.context.identity_name = "build";

  EXPECT_THAT(harness_.Launch(plan), HasReason(reason::kContextUnavailable));
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(RefusalTest, OnlyConfiguredBinariesRun) {
  for (const char* binary : {"/bin/sh", "/usr/bin/../bin/qemu-system-x86_64",
                             "qemu-system-x86_64", "/usr/bin/env", ""}) {
    LaunchPlan plan = harness_.FakePlan("shell", {"sleep"});
    plan.argv[0] = binary;
    EXPECT_THAT(harness_.Launch(plan), HasReason(reason::kLauncherRefused))
        << binary;
  }
  EXPECT_THAT(harness_.Leftovers(), IsEmpty());
}

TEST_F(RefusalTest, PlanThatTheClientWouldNotSendIsCheckedAgain) {
  const UniqueFd socket = harness_.TakeSocket();
  LaunchPlan plan = harness_.FakePlan("x", {"sleep"});
  plan.guest = "../../etc";
  EXPECT_THAT(Ask(socket.get(), EncodeMessage(2, 1, EncodePlan(plan))),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("guest")));
  EXPECT_THAT(Ask(socket.get(),
                  EncodeMessage(5, 2, EncodeGuestRequest("../../../etc"))),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Ask(socket.get(), EncodeMessage(4, 3, EncodeGuestRequest(".."))),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_TRUE(fs::exists("/etc/passwd"));
}

TEST_F(RefusalTest, GarbageAndOversizeAreAnsweredAndSurvived) {
  const UniqueFd socket = harness_.TakeSocket();
  const std::string good =
      EncodeMessage(2, 7, EncodePlan(harness_.FakePlan("x", {"sleep"})));
  EXPECT_THAT(Ask(socket.get(), "x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Ask(socket.get(), std::string(kMaxMessageBytes + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Ask(socket.get(), std::string(200000, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Ask(socket.get(), EncodeMessage(99, 7, "")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  // Every cut of a good message, in steps.
  for (size_t size = 1; size < good.size(); size += 7) {
    EXPECT_THAT(Ask(socket.get(), good.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  std::mt19937 random(4711);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = good;
    // Past the header, which is checked first and would hide the rest.
    char& byte = bad[kMessageHeaderBytes +
                     random() % (bad.size() - kMessageHeaderBytes)];
    byte = static_cast<char>(byte ^ (1 + random() % 255));
    // Some still are valid plans: what counts is that there is an answer.
    EXPECT_NE(Ask(socket.get(), bad).message(), "no answer");
  }
  const absl::Status list =
      Ask(socket.get(), EncodeMessage(6, 8, EncodeGuestRequest("")));
  EXPECT_THAT(list, IsOk());
}

TEST_F(RefusalTest, DescriptorsSentToTheLauncherAreDropped) {
  const UniqueFd socket = harness_.TakeSocket();
  const std::string fds = absl::StrCat("/proc/", harness_.pid(), "/fd");
  const auto count = [&] {
    return std::distance(fs::directory_iterator(fds), fs::directory_iterator());
  };
  const auto before = count();
  std::string datagram = EncodeMessage(6, 1, EncodeGuestRequest(""));
  iovec part = {datagram.data(), datagram.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = socket.get();
  memcpy(CMSG_DATA(rights), &fd, sizeof(fd));

  for (int i = 0; i < 100; ++i) {
    ASSERT_GT(sendmsg(socket.get(), &message, MSG_NOSIGNAL), 0);
    char answer[4096];
    ASSERT_GT(recv(socket.get(), answer, sizeof(answer), 0), 0);
  }

  EXPECT_EQ(count(), before);
}

TEST_F(RefusalTest, GuestsAreCountedAgainstTheLimit) {
  ASSERT_EQ(harness_.Stop(), 0);
  ASSERT_THAT(harness_.Start({}, {"--max-guests=1"}), IsOk());
  ASSERT_THAT(harness_.Launch(harness_.FakePlan("a", {"sleep"})), IsOk());

  EXPECT_THAT(harness_.Launch(harness_.FakePlan("b", {"sleep"})),
              HasReason(reason::kTooManyGuests));
}

TEST_F(RefusalTest, UidPoolThatIsUsedUpIsSaid) {
  ASSERT_EQ(harness_.Stop(), 0);
  ASSERT_THAT(harness_.Start({}, {"--uid-count=2"}), IsOk());
  ASSERT_THAT(harness_.Launch(harness_.FakePlan("a", {"sleep"})), IsOk());

  EXPECT_THAT(harness_.Launch(harness_.FakePlan("b", {"sleep"})),
              HasReason(reason::kUidPoolExhausted));
  EXPECT_THAT(harness_.Release("a"), IsOk());
  // The pair is free once the last process has been reaped.
  EXPECT_TRUE(Eventually(
      [&] { return harness_.Launch(harness_.FakePlan("b", {"sleep"})).ok(); }));
}

}  // namespace
}  // namespace innkeeper
