// What confines a running guest, as the agent answers it and as it is.
#include <sys/resource.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using Security = v1::GuestSecurity;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

class AgentSecurityTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(lab_.AddTestGuest(), IsOk());
    ASSERT_THAT(lab_.Start(), IsOk());
  }

  void Launch(const v1::LaunchGuestRequest& request) {
    const Caller owner = lab_.As("user/tenant-a");
    ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
  }
  absl::StatusOr<Security> Get(const std::string& guest,
                               const std::string& caller = "user/tenant-a") {
    const Caller asking = lab_.As(caller);
    v1::GetGuestSecurityRequest request;
    request.set_name("guests/" + guest);
    return asking.Call(&v1::Guests::Stub::GetGuestSecurity, asking.guests(),
                       request);
  }
  // "ID: ASKED / ACTUAL"
  static std::vector<std::string> With(Security::Verdict verdict,
                                       const Security& security) {
    std::vector<std::string> found;
    for (const Security::Check& check : security.checks()) {
      if (check.verdict() != verdict) continue;
      found.push_back(
          absl::StrCat(check.id(), ": ", check.asked(), " / ", check.actual()));
    }
    return found;
  }
  static std::map<std::string, std::string> Actual(const Security& security) {
    std::map<std::string, std::string> actual;
    for (const Security::Check& check : security.checks()) {
      actual[check.id()] = check.actual();
    }
    return actual;
  }

  Lab lab_;
};

TEST_F(AgentSecurityTest, RunningGuestIsAsAskedInEveryCheck) {
  Launch(LinuxGuest("web", "user/tenant-a"));

  const auto security = Get("web");

  ASSERT_THAT(security, IsOk());
  EXPECT_THAT(With(Security::DIFFERENT, *security), IsEmpty());
  EXPECT_THAT(With(Security::UNKNOWN, *security), IsEmpty());
  EXPECT_TRUE(security->as_asked());
  EXPECT_GE(With(Security::SAME, *security).size(), 50u);
  auto actual = Actual(*security);
  const int64_t uid = security->process().unix_uid();
  EXPECT_EQ(actual["identity.uid"],
            absl::StrCat(uid, " ", uid, " ", uid, " ", uid));
  EXPECT_EQ(actual["capabilities.effective"], "0000000000000000");
  EXPECT_EQ(actual["capabilities.bounding"], "0000000000000000");
  EXPECT_EQ(actual["privileges.no_new_privs"], "1");
  EXPECT_EQ(actual["seccomp.mode"], "2");
  EXPECT_EQ(actual["seccomp.filters"], "2");
  EXPECT_EQ(actual["limits.open_files"], "1024 1024");
  EXPECT_NE(actual["namespace.net"], "");
  EXPECT_NE(actual["cgroup.group"], "");
}

TEST_F(AgentSecurityTest, PartsOfAContextAreWhatIsAsked) {
  v1::LaunchGuestRequest request = LinuxGuest("web", "user/tenant-a");
  v1::ContextSpec* const parts =
      request.mutable_guest()->mutable_spec()->mutable_context_parts();
  parts->set_nice(5);
  parts->set_cpu_affinity("0");
  parts->mutable_cgroup()->set_cpu_weight(50);
  v1::ContextSpec::Namespace* const user = parts->add_namespaces();
  user->set_kind(v1::ContextSpec::Namespace::USER);
  user->set_mode(v1::ContextSpec::Namespace::NEW);
  Launch(request);

  const auto security = Get("web");

  ASSERT_THAT(security, IsOk());
  EXPECT_THAT(With(Security::DIFFERENT, *security), IsEmpty());
  EXPECT_THAT(With(Security::UNKNOWN, *security), IsEmpty());
  EXPECT_THAT(
      With(Security::SAME, *security),
      IsSupersetOf({"schedule.nice: 5 / 5", "schedule.affinity: 0 / 0"}));
}

TEST_F(AgentSecurityTest, WhatIsChangedBehindTheAgentIsMarked) {
  v1::LaunchGuestRequest request = LinuxGuest("web", "user/tenant-a");
  request.mutable_guest()->mutable_spec()->mutable_context_parts()->set_nice(5);
  Launch(request);
  const auto before = Get("web");
  ASSERT_THAT(before, IsOk());
  ASSERT_TRUE(before->as_asked());
  const auto pid = static_cast<id_t>(before->process().pid());
  ASSERT_EQ(setpriority(PRIO_PROCESS, pid, -3), 0);

  const auto after = Get("web");

  ASSERT_THAT(after, IsOk());
  EXPECT_FALSE(after->as_asked());
  EXPECT_THAT(With(Security::DIFFERENT, *after),
              ElementsAre("schedule.nice: 5 / -3"));
}

TEST_F(AgentSecurityTest, ForeignGuestIsNoneAndAStoppedOneHasNoProcess) {
  Launch(LinuxGuest("web", "user/tenant-a"));

  EXPECT_THAT(Get("web", "user/tenant-b"), HasReason(reason::kGuestNotFound));
  EXPECT_THAT(Get("web", "user/viewer"), IsOk());
  const Caller owner = lab_.As("user/tenant-a");
  ASSERT_THAT(owner.Finish(owner.Stop("web", /*force=*/true)), IsOk());
  EXPECT_THAT(Get("web"), HasReason(reason::kGuestNotRunning));
}

}  // namespace
}  // namespace innkeeper
