// The server dies by SIGKILL at every point that it names. Afterwards there is
// one guest, listed once under the same pid, or nothing of it; the operation
// has ended; and the same request has the same outcome.
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/caller.h"
#include "tests/integration/cluster_lab.h"
#include "tests/integration/guest_checks.h"
#include "tests/integration/lab.h"

namespace innkeeper {
namespace {

using google::longrunning::Operation;
using testing::IsEmpty;

constexpr char kGuest[] = "idle";

// What is being done to the guest when the server dies, with a request id that
// stays the same.
class Request {
 public:
  enum class Verb { kLaunch, kStop, kDelete };

  explicit Request(Verb verb) : verb_(verb), id_(MakeUuid()) {}

  absl::StatusOr<Operation> Send(const Caller& caller) const {
    switch (verb_) {
      case Verb::kLaunch: {
        v1::LaunchGuestRequest request = PausedGuest(kGuest, "user/tenant-a");
        request.set_request_id(id_);
        return caller.Launch(request);
      }
      case Verb::kStop: {
        v1::StopGuestRequest request;
        request.set_name(absl::StrCat("guests/", kGuest));
        request.set_force(true);
        request.set_request_id(id_);
        return caller.Call(&v1::Guests::Stub::StopGuest, caller.guests(),
                           request);
      }
      case Verb::kDelete: {
        v1::DeleteGuestRequest request;
        request.set_name(absl::StrCat("guests/", kGuest));
        request.set_request_id(id_);
        return caller.Call(&v1::Guests::Stub::DeleteGuest, caller.guests(),
                           request);
      }
    }
    return absl::InternalError("no such verb");
  }

 private:
  const Verb verb_;
  const std::string id_;
};

using Verb = Request::Verb;

// One death, and perhaps another before it, by which the server that dies finds
// the operation begun.
struct Death {
  Verb verb;
  std::string failpoint;
  std::string earlier;
};

std::string ToString(const Death& death) {
  const char* const verbs[] = {"launch", "stop", "delete"};
  return absl::StrCat(verbs[static_cast<int>(death.verb)], " at ",
                      death.failpoint, death.earlier.empty() ? "" : " after ",
                      death.earlier);
}

// Each failpoint but those of enrolment under each verb that passes it. An
// operation is updated twice: when it is sent, and when it has ended.
std::vector<Death> Deaths() {
  std::vector<Death> deaths;
  for (const std::string& failpoint : ClusterLab::ServerFailpoints()) {
    const auto is = [&](const char* part) {
      return absl::StrContains(failpoint, part);
    };
    if (is(".enrol.")) continue;
    for (const Verb verb : {Verb::kLaunch, Verb::kStop, Verb::kDelete}) {
      const bool launches = verb == Verb::kLaunch;
      const bool foreign = ((is(".launch.") || is(".reserve.")) && !launches) ||
                           ((is(".verb.") || is("_start")) && launches);
      if (foreign) continue;
      if (is(".asking") || is(".asked")) {
        // Of what was not sent yet the agent knows nothing; of the rest it
        // does.
        deaths.push_back(
            {verb, failpoint,
             launches ? "server.launch.reserved" : "server.verb.recorded"});
        deaths.push_back({verb, failpoint, "server.operation.sent"});
        continue;
      }
      deaths.push_back({verb, failpoint, ""});
      if (is("_update")) deaths.push_back({verb, failpoint + "#2", ""});
    }
  }
  return deaths;
}

class ServerCrashTest : public testing::Test {
 protected:
  // Every guest that any agent has.
  std::vector<v1::Guest> AtAgents() {
    std::vector<v1::Guest> all;
    for (int i = 0; i < cluster_.size(); ++i) {
      const absl::StatusOr<std::vector<v1::Guest>> guests =
          cluster_.host(i).AsRoot().List();
      EXPECT_THAT(guests, IsOk());
      if (guests.ok()) all.insert(all.end(), guests->begin(), guests->end());
    }
    return all;
  }

  // The guest, listed by the server and by one agent alike. Fails the test
  // unless there is one, soon: a list may be a moment older than the end of an
  // operation.
  v1::Guest TheGuest(const Caller& caller, v1::Guest::State state) {
    v1::Guest guest;
    std::string seen;
    EXPECT_TRUE(Eventually([&] {
      const absl::StatusOr<std::vector<v1::Guest>> listed = caller.List();
      const std::vector<v1::Guest> there = AtAgents();
      if (!listed.ok() || listed->size() != 1 || there.size() != 1) {
        seen = absl::StrCat(listed.ok() ? listed->size() : 0, " listed, ",
                            there.size(), " there");
        return false;
      }
      guest = listed->front();
      seen = guest.ShortDebugString();
      return guest.state() == state && guest.uid() == there[0].uid() &&
             guest.process().pid() == there[0].process().pid();
    })) << seen;
    return guest;
  }

  // Has the server die at `failpoint` of `request`, and brings it back.
  absl::StatusOr<Operation> Die(const std::string& failpoint,
                                const Request& request) {
    cluster_.ArmFailpoint(failpoint);
    EXPECT_THAT(cluster_.StartServer(), IsOk());
    absl::StatusOr<Operation> begun =
        request.Send(cluster_.As("user/operator"));
    EXPECT_TRUE(Eventually([&] { return cluster_.FailpointReached(); }))
        << failpoint << " was not reached: " << begun.status();
    return begun;
  }

  void DieAndRecover(const Death& death);

  ClusterLab cluster_;
};

// Begins and ends with an empty cluster whose server runs.
void ServerCrashTest::DieAndRecover(const Death& death) {
  int64_t pid = 0;
  if (death.verb != Verb::kLaunch) {
    const Caller caller = cluster_.As("user/operator");
    ASSERT_THAT(caller.Finish(Request(Verb::kLaunch).Send(caller)), IsOk());
    pid = TheGuest(caller, v1::Guest::PAUSED).process().pid();
    if (death.verb == Verb::kDelete) {
      ASSERT_THAT(caller.Finish(Request(Verb::kStop).Send(caller)), IsOk());
    }
  }
  cluster_.KillServer();
  const Request request(death.verb);
  absl::StatusOr<Operation> begun = absl::UnavailableError("not sent yet");
  if (death.earlier.empty()) {
    begun = Die(death.failpoint, request);
  } else {
    begun = Die(death.earlier, request);
    // The next one goes on with the operation before it serves anybody.
    cluster_.ArmFailpoint(death.failpoint);
    cluster_.StartServer().IgnoreError();
    ASSERT_TRUE(Eventually([&] { return cluster_.FailpointReached(); }))
        << death.failpoint << " was not reached";
  }
  // The guest that is there now stays the guest.
  for (const v1::Guest& guest : AtAgents()) {
    if (guest.has_process()) pid = guest.process().pid();
  }
  ASSERT_THAT(cluster_.StartServer(), IsOk());

  const Caller caller = cluster_.As("user/operator");
  const absl::StatusOr<Operation> again =
      Insist(caller, [&] { return request.Send(caller); });
  ASSERT_THAT(again, IsOk());
  if (begun.ok()) {
    EXPECT_EQ(again->name(), begun->name());
  }
  EXPECT_THAT(caller.Finish(again), IsOk());
  EXPECT_TRUE(Eventually([&] { return NothingIsUnfinished(caller); }));
  for (int i = 0; i < cluster_.size(); ++i) {
    EXPECT_TRUE(Eventually(
        [&] { return NothingIsUnfinished(cluster_.host(i).AsRoot()); }));
  }

  if (death.verb == Verb::kLaunch) {
    const v1::Guest guest = TheGuest(caller, v1::Guest::PAUSED);
    EXPECT_TRUE(Lives(guest.process().pid()));
    if (pid != 0) {
      EXPECT_EQ(guest.process().pid(), pid);
    }
    EXPECT_THAT(caller.Finish(Request(Verb::kStop).Send(caller)), IsOk());
  }
  if (death.verb != Verb::kDelete) {
    EXPECT_FALSE(TheGuest(caller, v1::Guest::STOPPED).has_process());
    EXPECT_THAT(caller.Finish(Request(Verb::kDelete).Send(caller)), IsOk());
  }
  EXPECT_TRUE(Eventually([&] {
    const absl::StatusOr<std::vector<v1::Guest>> listed = caller.List();
    return listed.ok() && listed->empty();
  }));
  EXPECT_THAT(AtAgents(), IsEmpty());
  Eventually([&] { return cluster_.Leftovers().empty(); });
  EXPECT_THAT(cluster_.Leftovers(), IsEmpty());
}

TEST_F(ServerCrashTest, NothingIsLostOrDoubledAtAnyFailpoint) {
  ASSERT_THAT(cluster_.Start(2), IsOk());
  std::set<std::string> covered;

  for (const Death& death : Deaths()) {
    SCOPED_TRACE(ToString(death));
    ASSERT_NO_FATAL_FAILURE(DieAndRecover(death));
    covered.insert(death.failpoint.substr(0, death.failpoint.find('#')));
  }

  std::set<std::string> all;
  for (const std::string& failpoint : ClusterLab::ServerFailpoints()) {
    if (!absl::StrContains(failpoint, ".enrol.")) all.insert(failpoint);
  }
  EXPECT_FALSE(all.empty());
  EXPECT_EQ(covered, all);
}

class EnrolmentCrashTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(cluster_.StartServer(), IsOk()); }

  // Starts the server anew, to die at `failpoint`.
  void Arm(const std::string& failpoint) {
    cluster_.KillServer();
    cluster_.ArmFailpoint(failpoint);
    ASSERT_THAT(cluster_.StartServer(), IsOk());
  }

  void AwaitDeath() {
    ASSERT_TRUE(Eventually([&] { return cluster_.FailpointReached(); }));
  }

  // `host` is a member, once, and takes guests; its token is worth nothing any
  // more.
  void CheckEnrolled(const Lab& host) {
    const auto is_up = [&] {
      int up = 0;
      const absl::StatusOr<std::vector<v1::Host>> listed = cluster_.Hosts();
      if (!listed.ok()) return false;
      for (const v1::Host& one : *listed) {
        up +=
            one.name() == "hosts/" + host.name() && one.state() == v1::Host::UP;
      }
      return up == 1;
    };
    EXPECT_TRUE(Eventually(is_up));
    EXPECT_THAT(cluster_.MakeToken(host), HasReason(reason::kHostExists));
    const Caller caller = cluster_.As("user/operator");
    v1::LaunchGuestRequest launch = PausedGuest(kGuest, "user/tenant-a");
    launch.set_host("hosts/" + host.name());
    EXPECT_THAT(caller.Finish(caller.Launch(launch)), IsOk());
    EXPECT_THAT(caller.Finish(caller.Stop(kGuest, true)), IsOk());
    EXPECT_THAT(caller.Finish(caller.Delete(kGuest)), IsOk());
  }

  ClusterLab cluster_;
};

TEST_F(EnrolmentCrashTest, ATokenIsGivenOutOrAskedForAgain) {
  for (const char* const failpoint :
       {"server.enrol.inviting", "server.enrol.invited"}) {
    SCOPED_TRACE(failpoint);
    Lab& host = cluster_.AddHost();
    ASSERT_NO_FATAL_FAILURE(Arm(failpoint));

    EXPECT_THAT(cluster_.MakeToken(host),
                StatusIs(absl::StatusCode::kUnavailable));
    ASSERT_NO_FATAL_FAILURE(AwaitDeath());
    ASSERT_THAT(cluster_.StartServer(), IsOk());

    const absl::StatusOr<std::string> token = cluster_.MakeToken(host);
    ASSERT_THAT(token, IsOk());
    cluster_.Join(host, *token);
    ASSERT_THAT(host.Start(), IsOk());
    CheckEnrolled(host);
  }
}

TEST_F(EnrolmentCrashTest, AHostComesInWithTheTokenThatItHas) {
  for (const char* const failpoint :
       {"server.enrol.signed", "server.enrol.recorded"}) {
    for (const bool agent_dies : {false, true}) {
      SCOPED_TRACE(absl::StrCat(failpoint, agent_dies ? " and the agent" : ""));
      Lab& host = cluster_.AddHost();
      const absl::StatusOr<std::string> token = cluster_.MakeToken(host);
      ASSERT_THAT(token, IsOk());
      cluster_.Join(host, *token);
      ASSERT_NO_FATAL_FAILURE(Arm(failpoint));

      host.Begin();
      ASSERT_NO_FATAL_FAILURE(AwaitDeath());
      if (agent_dies) host.KillAll();
      ASSERT_THAT(cluster_.StartServer(), IsOk());

      if (agent_dies) host.Begin();
      ASSERT_THAT(host.AwaitAgent(), IsOk());
      CheckEnrolled(host);
    }
  }
}

TEST_F(EnrolmentCrashTest, EveryFailpointOfEnrolmentIsTried) {
  std::vector<std::string> names;
  for (const std::string& failpoint : ClusterLab::ServerFailpoints()) {
    if (absl::StrContains(failpoint, ".enrol.")) names.push_back(failpoint);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre(
                         "server.enrol.inviting", "server.enrol.invited",
                         "server.enrol.signed", "server.enrol.recorded"));
}

}  // namespace
}  // namespace innkeeper
