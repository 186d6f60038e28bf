#include "tests/integration/host_death.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/guest_checks.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;

constexpr char kGuest[] = "web";

// Answers as soon as the call is over, however: the agent may die under it.
absl::StatusOr<Operation> Do(const Caller& caller, CrashVerb verb,
                             const v1::LaunchGuestRequest& launch) {
  switch (verb) {
    case CrashVerb::kLaunch:
      return caller.Launch(launch);
    case CrashVerb::kStop:
      return caller.Stop(kGuest, /*force=*/true);
    case CrashVerb::kDelete:
      return caller.Delete(kGuest);
  }
  return absl::InternalError("no such verb");
}

// Parts whose steps a launch leaves out without them.
void AskForContext(v1::LaunchGuestRequest& launch) {
  v1::ContextSpec& parts =
      *launch.mutable_guest()->mutable_spec()->mutable_context_parts();
  v1::ContextSpec::Namespace* const user = parts.add_namespaces();
  user->set_kind(v1::ContextSpec::Namespace::USER);
  user->set_mode(v1::ContextSpec::Namespace::NEW);
  parts.mutable_cgroup()->set_slice("batch");
}

// Until the victim has died where it should; then the host serves again.
void AwaitDeath(Lab& lab, const HostDeath& death,
                const absl::StatusOr<Operation>& begun) {
  if (death.victim == HostDeath::Victim::kAgent) {
    ASSERT_TRUE(Eventually([&] { return lab.FailpointReached(); }))
        << "was not reached: " << begun.status();
    ASSERT_THAT(lab.AwaitAgent(), IsOk());
    return;
  }
  ASSERT_TRUE(Eventually([&] { return lab.LauncherFailpointReached(); }))
      << "was not reached: " << begun.status();
  ASSERT_THAT(lab.Start(), IsOk());
}

}  // namespace

std::string ToString(CrashVerb verb) {
  switch (verb) {
    case CrashVerb::kLaunch:
      return "launch";
    case CrashVerb::kStop:
      return "stop";
    case CrashVerb::kDelete:
      return "delete";
  }
  return "";
}

std::string ToString(const HostDeath& death) {
  return absl::StrCat(ToString(death.verb), " at ", death.failpoint, "#",
                      death.count, death.in_context ? " in a context" : "");
}

void DieAndRecover(Lab& lab, const HostDeath& death) {
  v1::LaunchGuestRequest launch = PausedGuest(kGuest, "user/tenant-a");
  launch.set_request_id(MakeUuid());
  if (!death.network.empty()) {
    launch.mutable_guest()->mutable_spec()->add_networks()->set_network(
        absl::StrCat("networks/", death.network));
  }
  if (death.in_context) AskForContext(launch);
  int64_t pid = 0;
  if (death.verb != CrashVerb::kLaunch) {
    ASSERT_THAT(lab.Start(), IsOk());
    const Caller caller = lab.AsRoot();
    ASSERT_THAT(caller.Finish(caller.Launch(launch)), IsOk());
    pid = caller.Get(kGuest)->process().pid();
    if (death.verb == CrashVerb::kDelete) {
      ASSERT_THAT(caller.Finish(caller.Stop(kGuest, true)), IsOk());
    }
    lab.KillAll();
  }
  const std::string place = absl::StrCat(death.failpoint, "#", death.count);
  if (death.victim == HostDeath::Victim::kAgent) {
    lab.ArmFailpoint(place);
  } else {
    lab.ArmLauncherFailpoint(place);
  }
  ASSERT_THAT(lab.Start(), IsOk());

  // The call may be answered before its agent dies, or not.
  const absl::StatusOr<Operation> begun = Do(lab.AsRoot(), death.verb, launch);
  ASSERT_NO_FATAL_FAILURE(AwaitDeath(lab, death, begun));

  const Caller caller = lab.AsRoot();
  EXPECT_TRUE(Eventually([&] { return NothingIsUnfinished(caller); }));
  CheckWholeOrGone(lab, caller);
  // What was promised has been kept.
  if (begun.ok()) {
    EXPECT_THAT(caller.Finish(begun), IsOk());
  }
  const absl::StatusOr<v1::Guest> guest = caller.Get(kGuest);
  if (pid != 0 && guest.ok() && guest->has_process()) {
    EXPECT_EQ(guest->process().pid(), pid);
  }
  if (death.verb == CrashVerb::kLaunch) {
    // The same request again has one outcome, and makes no second guest.
    EXPECT_THAT(caller.Finish(caller.Launch(launch)), IsOk());
    const absl::StatusOr<v1::Guest> now = caller.Get(kGuest);
    ASSERT_THAT(now, IsOk());
    if (guest.ok()) {
      EXPECT_EQ(now->process().pid(), guest->process().pid());
    }
  }
  const absl::StatusOr<std::vector<v1::Guest>> left = caller.List();
  ASSERT_THAT(left, IsOk());
  for (const v1::Guest& one : *left) {
    if (one.has_process()) {
      EXPECT_THAT(caller.Finish(caller.Stop(kGuest, true)), IsOk());
    }
    EXPECT_THAT(caller.Finish(caller.Delete(kGuest)), IsOk());
  }
  lab.CheckNothingLeft();
  lab.KillAll();
}

}  // namespace innkeeper
