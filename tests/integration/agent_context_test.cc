// Guests in named contexts on a real host: what the kernel says of them.
#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/contexts.grpc.pb.h"
#include "tests/integration/caller.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::string Proc(int64_t pid, const std::string& file) {
  return ReadFile(absl::StrCat("/proc/", pid, "/", file), 1 << 16)
      .value_or("unreadable");
}

// What a context of this test gives, seen from outside of the process.
void ExpectInContext(int64_t pid) {
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(pid)), 7);
  EXPECT_EQ(Proc(pid, "oom_score_adj"), "777\n");
  EXPECT_THAT(Proc(pid, "limits"),
              HasSubstr("Max open files            512                  512"));
  EXPECT_THAT(Proc(pid, "cgroup"), HasSubstr("/batch.slice/"));
  const std::vector<std::string> environment =
      absl::StrSplit(Proc(pid, "environ"), '\0');
  EXPECT_THAT(environment, Contains("BUILD_NUMBER=42"));
  EXPECT_THAT(Proc(pid, "status"), HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(Proc(pid, "status"), HasSubstr("NoNewPrivs:\t1"));
}

class AgentContextTest : public testing::Test {
 protected:
  static v1::CreateContextRequest Batch() {
    v1::CreateContextRequest request;
    request.set_context_id("batch");
    request.mutable_context()->add_users("user/tenant-a");
    v1::ContextSpec& spec = *request.mutable_context()->mutable_spec();
    spec.set_nice(7);
    spec.set_oom_score_adj(777);
    v1::ContextSpec::Rlimit* const limit = spec.add_rlimits();
    limit->set_resource("nofile");
    limit->set_value(512);
    spec.mutable_cgroup()->set_slice("batch");
    (*spec.mutable_environment())["BUILD_NUMBER"] = "42";
    return request;
  }
  static v1::LaunchGuestRequest InBatch(const std::string& id,
                                        const std::string& owner) {
    v1::LaunchGuestRequest request = PausedGuest(id, owner);
    request.mutable_guest()->mutable_spec()->set_context("contexts/batch");
    return request;
  }
  absl::Status Create(const std::string& caller,
                      const v1::CreateContextRequest& request) {
    const Caller as = host_.As(caller);
    return as
        .Call(&v1::Contexts::Stub::CreateContext,
              *v1::Contexts::NewStub(as.channel()), request)
        .status();
  }
  absl::Status Delete(const std::string& caller) {
    const Caller as = host_.As(caller);
    v1::DeleteContextRequest request;
    request.set_name("contexts/batch");
    return as
        .Call(&v1::Contexts::Stub::DeleteContext,
              *v1::Contexts::NewStub(as.channel()), request)
        .status();
  }
  int64_t PidOf(const std::string& guest) {
    return host_.As("user/admin").Get(guest)->process().pid();
  }

  Lab host_;
};

TEST_F(AgentContextTest, GuestIsInTheContextThatItsOwnerMayOnlyName) {
  ASSERT_THAT(host_.Start(), IsOk());
  ASSERT_THAT(Create("user/admin", Batch()), IsOk());
  const Caller owner = host_.As("user/tenant-a");

  ASSERT_THAT(owner.Finish(owner.Launch(InBatch("web", "user/tenant-a"))),
              IsOk());

  ExpectInContext(PidOf("web"));
  const absl::StatusOr<v1::Guest> shown = owner.Get("web");
  ASSERT_THAT(shown, IsOk());
  EXPECT_EQ(shown->effective_context().nice(), 7);
  EXPECT_EQ(shown->effective_context().cgroup().slice(), "batch");
}

TEST_F(AgentContextTest, ContextOutlivesItsNameTheAgentAndTheDatabase) {
  ASSERT_THAT(host_.Start(), IsOk());
  ASSERT_THAT(Create("user/admin", Batch()), IsOk());
  const Caller first = host_.As("user/tenant-a");
  ASSERT_THAT(first.Finish(first.Launch(InBatch("web", "user/tenant-a"))),
              IsOk());
  const int64_t pid = PidOf("web");
  ASSERT_THAT(Delete("user/admin"), IsOk());

  ASSERT_THAT(host_.Stop(), IsOk());
  host_.DeleteDatabase();
  ASSERT_THAT(host_.Start(), IsOk());

  EXPECT_EQ(PidOf("web"), pid);
  ExpectInContext(pid);
  const Caller owner = host_.As("user/tenant-a");
  ASSERT_THAT(owner.Finish(owner.Stop("web", true)), IsOk());
  ASSERT_THAT(owner.Finish(owner.Start("web")), IsOk());
  ExpectInContext(PidOf("web"));
  EXPECT_THAT(owner.Finish(owner.Launch(InBatch("api", "user/tenant-a"))),
              HasReason(reason::kContextNotFound));
}

TEST_F(AgentContextTest, WhoMayNotNameAContextCannotTellThatItIsThere) {
  ASSERT_THAT(host_.Start(), IsOk());
  ASSERT_THAT(Create("user/admin", Batch()), IsOk());
  const Caller other = host_.As("user/tenant-b");
  v1::LaunchGuestRequest absent = InBatch("web", "user/tenant-b");
  absent.mutable_guest()->mutable_spec()->set_context("contexts/absent");

  const absl::Status denied =
      other.Finish(other.Launch(InBatch("web", "user/tenant-b")));
  const absl::Status missing = other.Finish(other.Launch(absent));

  EXPECT_THAT(denied, HasReason(reason::kContextNotFound));
  EXPECT_THAT(missing, HasReason(reason::kContextNotFound));
  EXPECT_THAT(other.Get("web"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Create("user/tenant-b", Batch()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Delete("user/tenant-a"),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AgentContextTest, TenantChoosesOnlyWhatNarrows) {
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller owner = host_.As("user/tenant-a");
  v1::LaunchGuestRequest request = PausedGuest("web", "user/tenant-a");
  v1::ContextSpec& parts =
      *request.mutable_guest()->mutable_spec()->mutable_context_parts();
  parts.set_nice(9);
  ASSERT_THAT(owner.Finish(owner.Launch(request)), IsOk());
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(PidOf("web"))), 9);
  request.set_guest_id("wide");
  parts.set_nice(-5);
  parts.add_groups("disk");
  parts.mutable_identity()->set_kind(v1::ContextSpec::Identity::NAMED);
  parts.mutable_identity()->set_name("root");

  const absl::Status refused = owner.Finish(owner.Launch(request));

  EXPECT_THAT(refused, HasReason(reason::kContextPartRefused));
  for (const char* const part : {"nice", "groups", "identity"}) {
    EXPECT_THAT(refused,
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(part)));
  }
  EXPECT_THAT(owner.Get("wide"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(AgentContextTest, WhatTheHostLacksIsNamedWhereverItIsAskedFor) {
  ASSERT_THAT(host_.Start(), IsOk());
  const Caller admin = host_.As("user/admin");
  v1::CreateContextRequest context = Batch();
  context.mutable_context()->mutable_spec()->add_groups("absent");
  v1::LaunchGuestRequest launch = PausedGuest("web", "user/admin");
  launch.mutable_guest()->mutable_spec()->mutable_context_parts()->set_root(
      "absent");

  const absl::Status defined = Create("user/admin", context);
  const absl::Status launched = admin.Finish(admin.Launch(launch));

  EXPECT_THAT(defined, HasReason(reason::kContextUnavailable));
  EXPECT_THAT(defined, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("--context-group")));
  EXPECT_THAT(launched, HasReason(reason::kContextUnavailable));
  EXPECT_THAT(launched, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("root")));
}

}  // namespace
}  // namespace innkeeper
