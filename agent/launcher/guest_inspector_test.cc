#include "agent/launcher/guest_inspector.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/launch/guest_facts.h"
#include "agent/launcher/journal_entry.h"
#include "agent/launcher/proc.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;
using testing::Not;

// A process that did `prepare` and waits; ended with this.
class Subject {
 public:
  explicit Subject(const std::function<void()>& prepare) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      prepare();
      close(ends[0]);
      close(ends[1]);
      while (true) pause();
    }
    close(ends[1]);
    char byte;
    // The end of the file: it is prepared.
    EXPECT_EQ(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    entry_.launched = true;
    entry_.guest = "web";
    entry_.pid = pid_;
    entry_.unix_uid = 1890000000;
    // As where a context names an identity.
    entry_.qemu_uid = 2000;
    entry_.qemu_gid = 2001;
    const auto stat = ReadProcStat(absl::StrCat(pid_));
    EXPECT_THAT(stat, IsOk());
    entry_.start_time_ticks = stat->start_time_ticks;
  }
  ~Subject() { End(); }

  void End() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  JournalEntry& entry() { return entry_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  JournalEntry entry_;
};

GuestFact Find(const GuestFacts& facts, const std::string& name) {
  for (const GuestFact& fact : facts.facts) {
    if (fact.name == name) return fact;
  }
  return {name, -1, "no such fact"};
}

TEST(GuestInspectorTest, FactsAreThoseOfTheProcess) {
  Subject subject([] {
    const int disk = open("/etc/hostname", O_RDONLY);
    dup(disk);
    open("/", O_RDONLY | O_DIRECTORY);
    open("/dev/null", O_RDWR);
    memfd_create("ram", 0);
    open(testing::TempDir().c_str(), O_TMPFILE | O_RDWR, 0600);
  });

  const auto facts = InspectGuest(subject.entry());

  ASSERT_THAT(facts, IsOk());
  EXPECT_EQ(facts->pid, subject.pid());
  EXPECT_EQ(facts->unix_uid, 2000u);
  EXPECT_EQ(facts->unix_gid, 2001u);
  EXPECT_THAT(Find(*facts, "status").text,
              HasSubstr(absl::StrCat("Pid:\t", subject.pid(), "\n")));
  EXPECT_THAT(Find(*facts, "limits").text, HasSubstr("Max open files"));
  EXPECT_THAT(Find(*facts, "mountinfo").text, HasSubstr(" / "));
  EXPECT_THAT(Find(*facts, "exe").text, HasSubstr("guest_inspector_test"));
  EXPECT_EQ(Find(*facts, "ns").text, Find(*facts, "host.ns").text);
  EXPECT_THAT(Find(*facts, "ns").text, HasSubstr("mnt:[402"));
  EXPECT_THAT(Find(*facts, "fds").text, HasSubstr("file-read 2 1\n"));
  EXPECT_THAT(Find(*facts, "fds").text, HasSubstr("directory 1 1\n"));
  EXPECT_THAT(Find(*facts, "fds").text, HasSubstr("device:/dev/null "));
  EXPECT_THAT(Find(*facts, "fds").text, HasSubstr("memfd 1 1\n"));
  EXPECT_EQ(Find(*facts, "keeper.status").error, ESRCH);
  EXPECT_EQ(Find(*facts, "host.status").error, 0);
}

TEST(GuestInspectorTest, NamesOfTheEnvironmentAreToldAndNoValue) {
  // Exec closes the pipe, too.
  Subject subject([] {
    char variable[] = "CANARY_NAME=canary-value";
    char* const environment[] = {variable, nullptr};
    char sleep[] = "sleep";
    char seconds[] = "60";
    char* const argv[] = {sleep, seconds, nullptr};
    execve("/bin/sleep", argv, environment);
  });

  const auto facts = InspectGuest(subject.entry());

  ASSERT_THAT(facts, IsOk());
  EXPECT_EQ(Find(*facts, "environ").text, "CANARY_NAME\n");
}

TEST(GuestInspectorTest, ListenersOfItsNetworkAreCounted) {
  Subject subject([] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    ASSERT_EQ(listen(socket(AF_INET, SOCK_STREAM, 0), 1), 0);
    socket(AF_INET, SOCK_STREAM, 0);
  });

  const auto facts = InspectGuest(subject.entry());

  ASSERT_THAT(facts, IsOk());
  EXPECT_THAT(Find(*facts, "sockets").text, HasSubstr("tcp 1\n"));
  EXPECT_THAT(Find(*facts, "sockets").text, HasSubstr("udp 0\n"));
  EXPECT_THAT(Find(*facts, "sockets").text, HasSubstr("unix 0\n"));
  EXPECT_THAT(Find(*facts, "ns").text,
              Not(HasSubstr(Find(*facts, "host.ns").text)));
}

TEST(GuestInspectorTest, AnotherProcessWithThePidIsNotLookedAt) {
  Subject subject([] {});
  subject.entry().start_time_ticks -= 1;

  EXPECT_THAT(InspectGuest(subject.entry()),
              HasReason(reason::kGuestNotRunning));
}

TEST(GuestInspectorTest, ProcessThatHasEndedIsNoProcess) {
  Subject subject([] {});
  kill(subject.pid(), SIGKILL);
  siginfo_t info;
  // A zombie: still in /proc.
  ASSERT_EQ(
      waitid(P_PID, static_cast<id_t>(subject.pid()), &info, WEXITED | WNOWAIT),
      0);

  EXPECT_THAT(InspectGuest(subject.entry()),
              HasReason(reason::kGuestNotRunning));
  subject.End();
  EXPECT_THAT(InspectGuest(subject.entry()),
              HasReason(reason::kGuestNotRunning));
}

TEST(GuestInspectorTest, StoppedProcessIsLookedAtAllTheSame) {
  Subject subject([] {});
  ASSERT_EQ(kill(subject.pid(), SIGSTOP), 0);
  const absl::Time start = absl::Now();

  EXPECT_THAT(InspectGuest(subject.entry()), IsOk());

  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
}

}  // namespace
}  // namespace innkeeper
