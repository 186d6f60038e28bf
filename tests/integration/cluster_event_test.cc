// Watchers of the server's events lose nothing when an agent or the server is
// killed, and are told where something is lost.
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/status_map.h"
#include "tests/integration/caller.h"
#include "tests/integration/cluster_lab.h"
#include "tests/integration/event_recorder.h"

namespace innkeeper {
namespace {

using testing::ElementsAreArray;

std::vector<std::string> Texts(const std::vector<v1::Event>& events) {
  std::vector<std::string> texts;
  texts.reserve(events.size());
  for (const v1::Event& event : events) {
    texts.push_back(event.ShortDebugString());
  }
  return texts;
}

class ClusterEventTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(cluster_.Start(2), IsOk()); }

  std::string NameOf(int host) {
    return absl::StrCat("hosts/", cluster_.host(host).name());
  }

  // A guest comes to each host, and those before it go.
  void MakeHistory() {
    const Caller caller = cluster_.As("user/operator");
    const int round = round_++;
    for (int i = 0; i < cluster_.size(); ++i) {
      v1::LaunchGuestRequest launch =
          PausedGuest(absl::StrCat("idle-", round, "-", i), "user/tenant-a");
      launch.set_host(NameOf(i));
      ASSERT_THAT(caller.Finish(caller.Launch(launch)), IsOk());
      if (round == 0) continue;
      const std::string earlier = absl::StrCat("idle-", round - 1, "-", i);
      ASSERT_THAT(caller.Finish(caller.Stop(earlier, true)), IsOk());
      ASSERT_THAT(caller.Finish(caller.Delete(earlier)), IsOk());
    }
  }

  // Opens a watch that goes on from `token`, or begins now, until it ends.
  absl::Status Watch(const std::string& token) {
    const Caller caller = cluster_.As("user/admin");
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    v1::WatchEventsRequest request;
    request.set_resume_token(token);
    const auto stream = caller.events().WatchEvents(&context, request);
    v1::WatchEventsResponse response;
    while (stream->Read(&response)) {
    }
    return FromGrpcStatus(stream->Finish());
  }

  // The token of a watch that begins now.
  std::string Token() {
    const Caller caller = cluster_.As("user/admin");
    grpc::ClientContext context;
    SetTimeout(&context, kPatience);
    const auto stream =
        caller.events().WatchEvents(&context, v1::WatchEventsRequest());
    v1::WatchEventsResponse response;
    EXPECT_TRUE(stream->Read(&response) && response.has_progress());
    context.TryCancel();
    stream->Finish();
    return response.progress().resume_token();
  }

  ClusterLab cluster_;
  int round_ = 0;
};

TEST_F(ClusterEventTest, AResumedHistoryIsWhatTheAgentsHaveLogged) {
  const EventRecorder history(cluster_.As("user/admin"));
  ASSERT_NO_FATAL_FAILURE(MakeHistory());
  // With a mark from the midst of the history.
  const int marks = history.marks();
  ASSERT_TRUE(Eventually([&] { return history.marks() > marks; }));

  ASSERT_NO_FATAL_FAILURE(MakeHistory());
  cluster_.host(0).KillAgent();
  ASSERT_THAT(cluster_.host(0).AwaitAgent(), IsOk());
  ASSERT_TRUE(Eventually([&] {
    const absl::StatusOr<std::vector<v1::Host>> hosts = cluster_.Hosts();
    return hosts.ok() && hosts->front().state() == v1::Host::UP;
  }));
  ASSERT_NO_FATAL_FAILURE(MakeHistory());
  cluster_.KillServer();
  // What happens while there is no server is told, too.
  const Caller agent = cluster_.host(1).AsRoot();
  ASSERT_THAT(agent.Finish(agent.Launch(PausedGuest("idle", "user/tenant-b"))),
              IsOk());
  ASSERT_THAT(cluster_.StartServer(), IsOk());
  ASSERT_NO_FATAL_FAILURE(MakeHistory());

  for (int i = 0; i < cluster_.size(); ++i) {
    const absl::StatusOr<std::vector<v1::Event>> log =
        ReadEventLog(cluster_.host(i).AsRoot());
    ASSERT_THAT(log, IsOk());
    // Four launches, three stops, three deletions.
    EXPECT_GE(log->size(), 10u);
    Eventually([&] { return history.Of(NameOf(i)).size() >= log->size(); });
    EXPECT_THAT(Texts(history.Of(NameOf(i))), ElementsAreArray(Texts(*log)));
  }
  EXPECT_GE(history.breaks(), 1);
}

TEST_F(ClusterEventTest, ATokenOfALogThatIsLostIsRefusedAndSaysSo) {
  ASSERT_NO_FATAL_FAILURE(MakeHistory());
  const std::string token = Token();

  cluster_.host(0).KillAll();
  cluster_.host(0).DeleteDatabase();
  ASSERT_THAT(cluster_.host(0).Start(), IsOk());

  // Now, or as soon as the server has heard of the new log.
  const absl::Status status = Watch(token);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(status, HasReason(reason::kHistoryGone));
  EXPECT_EQ(DetailsOf(status).metadata.at("host"), NameOf(0));
  // And again: it does not get better.
  EXPECT_THAT(Watch(token), HasReason(reason::kHistoryGone));
  // Who lists afresh and begins there can go on.
  const Caller caller = cluster_.As("user/admin");
  EXPECT_TRUE(Eventually([&] {
    const absl::StatusOr<std::vector<v1::Guest>> listed = caller.List();
    return listed.ok() && listed->size() == 2;
  }));
  const EventRecorder history(cluster_.As("user/admin"));
  ASSERT_NO_FATAL_FAILURE(MakeHistory());
  EXPECT_TRUE(Eventually([&] { return history.Of(NameOf(0)).size() >= 3; }));
}

}  // namespace
}  // namespace innkeeper
