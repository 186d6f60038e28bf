// A host out of reach: lists come at once, show its guests as last seen and
// say so; when it is back, so are they.
#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/tls_credentials.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/cluster_lab.h"
#include "tests/integration/guest_checks.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// More than a list ever takes, less than any wait for a host.
constexpr absl::Duration kAtOnce = absl::Seconds(3);

class ClusterReachTest : public testing::Test {
 protected:
  // "idle-0" is on the first host, "idle-1" on the second.
  void SetUp() override {
    ASSERT_THAT(cluster_.Start(2), IsOk());
    const Caller caller = cluster_.As("user/operator");
    for (int i = 0; i < cluster_.size(); ++i) {
      v1::LaunchGuestRequest launch =
          PausedGuest(absl::StrCat("idle-", i), "user/tenant-a");
      launch.set_host(NameOf(i));
      ASSERT_THAT(caller.Finish(caller.Launch(launch)), IsOk());
    }
    ASSERT_TRUE(Eventually([&] { return List().guests_size() == 2; }));
    pid_ = List().guests(0).process().pid();
  }

  std::string NameOf(int host) {
    return absl::StrCat("hosts/", cluster_.host(host).name());
  }

  // Fails the test if the list does not come at once.
  v1::ListGuestsResponse List() {
    const Caller caller = cluster_.As("user/operator");
    v1::ListGuestsRequest request;
    request.set_view(v1::FULL);
    const absl::Time start = absl::Now();
    const absl::StatusOr<v1::ListGuestsResponse> listed =
        caller.Call(&v1::Guests::Stub::ListGuests, caller.guests(), request);
    EXPECT_LT(absl::Now() - start, kAtOnce);
    EXPECT_THAT(listed, IsOk());
    return listed.value_or(v1::ListGuestsResponse());
  }

  // Lists until the first host is known to be out of reach since `then`, and
  // checks what is listed.
  void CheckFirstHostIsOut(absl::Time then) {
    v1::ListGuestsResponse listed;
    ASSERT_TRUE(Eventually([&] {
      listed = List();
      return listed.unreachable_size() > 0;
    }));
    EXPECT_THAT(listed.unreachable(), ElementsAre(NameOf(0)));
    ASSERT_EQ(listed.guests_size(), 2);
    const v1::Guest& stale = listed.guests(0);
    EXPECT_EQ(stale.name(), "guests/idle-0");
    EXPECT_TRUE(stale.stale());
    EXPECT_EQ(stale.state(), v1::Guest::PAUSED);
    // As old as the last word of its host, not as the guest's last change.
    const absl::Time seen =
        absl::FromUnixSeconds(stale.observe_time().seconds());
    EXPECT_GE(seen, then - absl::Seconds(4));
    EXPECT_LE(seen, then + absl::Seconds(2));
    EXPECT_FALSE(listed.guests(1).stale());
    // What cannot be done is said at once, too.
    const Caller caller = cluster_.As("user/operator");
    EXPECT_THAT(caller.Stop("idle-0", true),
                HasReason(reason::kHostUnreachable));
  }

  void CheckFirstHostIsBack() {
    v1::ListGuestsResponse listed;
    EXPECT_TRUE(Eventually([&] {
      listed = List();
      return listed.unreachable_size() == 0;
    }));
    ASSERT_EQ(listed.guests_size(), 2);
    EXPECT_FALSE(listed.guests(0).stale());
    EXPECT_EQ(listed.guests(0).process().pid(), pid_);
    EXPECT_TRUE(Lives(pid_));
    const Caller caller = cluster_.As("user/operator");
    EXPECT_THAT(caller.Finish(caller.Stop("idle-0", true)), IsOk());
  }

  // What `inn list` says, on both outputs, and its exit code.
  std::string InnList(int* exit_code) {
    const TlsFiles files = cluster_.FilesOf("user/operator");
    const std::string command =
        absl::StrCat("env -i PATH=/usr/bin:/bin HOME=/nonexistent INN_ADDRESS=",
                     cluster_.address(),
                     " INN_SERVER_NAME=server/lab INN_CA=", files.ca_path,
                     " INN_CERT=", files.certificate_path,
                     " INN_KEY=", files.key_path, " cli/inn list 2>&1");
    FILE* const pipe = popen(command.c_str(), "r");
    std::string text;
    char buffer[4096];
    size_t got;
    while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
      text.append(buffer, got);
    }
    *exit_code = WEXITSTATUS(pclose(pipe));
    return text;
  }

  ClusterLab cluster_;
  int64_t pid_ = 0;
};

TEST_F(ClusterReachTest, AHostWhoseAgentHangsIsStaleUntilItGoesOn) {
  const absl::Time then = absl::Now();
  const pid_t agent = cluster_.host(0).agent_pid();
  ASSERT_EQ(kill(agent, SIGSTOP), 0);

  // Before anybody knows, too.
  EXPECT_EQ(List().guests_size(), 2);
  CheckFirstHostIsOut(then);

  ASSERT_EQ(kill(agent, SIGCONT), 0);
  CheckFirstHostIsBack();
}

TEST_F(ClusterReachTest, AHostWhoseAgentIsDeadIsStaleUntilThereIsAnother) {
  const absl::Time then = absl::Now();
  cluster_.host(0).KillAll();
  CheckFirstHostIsOut(then);

  int exit_code = -1;
  EXPECT_THAT(
      InnList(&exit_code),
      AllOf(HasSubstr("idle-0"), HasSubstr("idle-1"),
            HasSubstr("PAUSED (stale "),
            HasSubstr("unreachable, guests as last seen: " + NameOf(0))));
  EXPECT_EQ(exit_code, 0);

  ASSERT_THAT(cluster_.host(0).Start(), IsOk());
  CheckFirstHostIsBack();
  EXPECT_THAT(InnList(&exit_code), Not(HasSubstr("stale")));
}

TEST_F(ClusterReachTest, AServerThatComesUpKnowsWhichHostsItHasNotHeardOf) {
  cluster_.host(0).KillAll();
  cluster_.KillServer();
  ASSERT_THAT(cluster_.StartServer(), IsOk());

  const v1::ListGuestsResponse listed = List();
  EXPECT_THAT(listed.unreachable(), ElementsAre(NameOf(0)));
  ASSERT_EQ(listed.guests_size(), 1);
  EXPECT_EQ(listed.guests(0).name(), "guests/idle-1");

  ASSERT_THAT(cluster_.host(0).Start(), IsOk());
  CheckFirstHostIsBack();
}

}  // namespace
}  // namespace innkeeper
