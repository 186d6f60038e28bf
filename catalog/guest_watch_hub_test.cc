#include "catalog/guest_watch_hub.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "catalog/event_hub.h"
#include "catalog/guest_table.h"
#include "catalog/resume_token.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/testing/pulled_stream.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Stream = PulledStream<v1::WatchGuestsResponse>;

// Everything that happened, in one log.
class OneLog final : public EventHistory {
 public:
  void Add(const v1::Event& event) { events_.push_back(event); }
  void Read(const std::string&, const Position& after, int limit,
            Completion<std::vector<v1::Event>> done) override {
    std::vector<v1::Event> found;
    for (const v1::Event& event : events_) {
      if (event.sequence() <= after.sequence) continue;
      if (static_cast<int>(found.size()) == limit) break;
      found.push_back(event);
    }
    done(std::move(found));
  }

 private:
  std::vector<v1::Event> events_;  // Not touched while a watch begins.
};

class GuestWatchHubTest : public testing::Test {
 protected:
  GuestWatchHubTest()
      : loop_("hub"),
        events_(std::make_unique<EventHub>(&loop_, &history_)),
        hub_(std::make_unique<GuestWatchHub>(&loop_, &table_, events_.get())) {
    events_->SetHead("hosts/h1", {"1", 0});
  }
  ~GuestWatchHubTest() override {
    hub_.reset();
    events_.reset();
    loop_.PostAndWait([] {});
  }

  // A guest is new or changed, and its event follows.
  void Put(const std::string& id, const std::string& owner,
           v1::Guest::State state = v1::Guest::RUNNING) {
    v1::Guest guest;
    guest.set_name(absl::StrCat("guests/", id));
    guest.set_uid(absl::StrCat("uid-", id));
    guest.set_owner(owner);
    guest.set_host("hosts/h1");
    guest.set_state(state);
    guest.set_requested_by("user/op");
    table_.Put(guest);
    hub_->Changed(guest.name());
    Publish(guest);
  }
  void Remove(const std::string& id) {
    const GuestRowPtr row = table_.Remove(absl::StrCat("uid-", id));
    ASSERT_NE(row, nullptr);
    hub_->Changed(row->guest.name(), row);
    Publish(row->guest);
  }
  void Publish(const v1::Guest& guest) {
    v1::Event event;
    event.set_host("hosts/h1");
    event.set_epoch("1");
    event.set_sequence(++sequence_);
    event.set_guest(guest.name());
    event.set_owner(guest.owner());
    history_.Add(event);
    events_->Publish(event);
    loop_.PostAndWait([] {});
  }

  // A watch of `owner`'s guests that are not PAUSED.
  void Start(Stream& stream, const std::string& owner,
             std::optional<Positions> resume = std::nullopt,
             bool full = false) {
    GuestWatch watch;
    watch.resume = std::move(resume);
    watch.full = full;
    watch.sees = [owner](const GuestRow& row) {
      return row.guest.owner() == owner;
    };
    watch.wants = [owner](const GuestRow& row) {
      return row.guest.owner() == owner &&
             row.guest.state() != v1::Guest::PAUSED;
    };
    watch.may_see = [owner](const v1::Event& event) {
      return event.owner() == owner;
    };
    watch.stream = stream.writer();
    hub_->Start(std::move(watch));
  }
  // All up to the next mark: "web RUNNING", "-web".
  static std::vector<std::string> ReadToMark(Stream& stream,
                                             Positions* mark = nullptr) {
    std::vector<std::string> all;
    while (true) {
      const std::optional<v1::WatchGuestsResponse> message = stream.Read();
      if (!message.has_value()) {
        ADD_FAILURE() << "the stream ends";
        return all;
      }
      if (message->has_guest()) {
        all.push_back(
            absl::StrCat(message->guest().name().substr(7), " ",
                         v1::Guest::State_Name(message->guest().state())));
      } else if (message->has_progress()) {
        if (mark != nullptr) {
          *mark = DecodePositions(message->progress().resume_token())
                      .value_or(Positions());
        }
        return all;
      } else {
        all.push_back(absl::StrCat("-", message->removed().substr(7)));
      }
    }
  }

  int64_t sequence_ = 0;
  OneLog history_;
  EventLoop loop_;
  GuestTable table_;
  std::unique_ptr<EventHub> events_;
  std::unique_ptr<GuestWatchHub> hub_;
};

TEST_F(GuestWatchHubTest, WatchBeginsWithAllThatItWantsThenAMark) {
  Put("a", "user/alice");
  Put("b", "user/bob");
  Put("c", "user/alice", v1::Guest::PAUSED);
  Put("d", "user/alice");
  Stream stream;
  Start(stream, "user/alice");

  Positions mark;
  EXPECT_THAT(ReadToMark(stream, &mark), ElementsAre("a RUNNING", "d RUNNING"));
  EXPECT_EQ(mark.at("hosts/h1").sequence, 4);
}

TEST_F(GuestWatchHubTest, ViewDecidesHowMuchOfAGuestIsSent) {
  Put("a", "user/alice");
  Stream basic;
  Start(basic, "user/alice");
  Stream full;
  Start(full, "user/alice", std::nullopt, /*full=*/true);

  EXPECT_EQ(basic.Read()->guest().requested_by(), "");
  EXPECT_EQ(full.Read()->guest().requested_by(), "user/op");
}

TEST_F(GuestWatchHubTest, ChangesAndTheirEndAreTold) {
  Stream stream;
  Start(stream, "user/alice");
  EXPECT_THAT(ReadToMark(stream), IsEmpty());

  Put("a", "user/alice");
  EXPECT_THAT(ReadToMark(stream), ElementsAre("a RUNNING"));
  Put("a", "user/alice", v1::Guest::STOPPED);
  EXPECT_THAT(ReadToMark(stream), ElementsAre("a STOPPED"));
  Remove("a");
  EXPECT_THAT(ReadToMark(stream), ElementsAre("-a"));
}

TEST_F(GuestWatchHubTest, GuestThatNoLongerMatchesIsRemovedForTheWatcher) {
  Put("a", "user/alice");
  Stream stream;
  Start(stream, "user/alice");
  ReadToMark(stream);

  Put("a", "user/alice", v1::Guest::PAUSED);
  EXPECT_THAT(ReadToMark(stream), ElementsAre("-a"));
  Put("a", "user/alice");
  EXPECT_THAT(ReadToMark(stream), ElementsAre("a RUNNING"));
}

TEST_F(GuestWatchHubTest, ForeignGuestsComeAndGoUnseen) {
  Stream stream;
  Start(stream, "user/alice");
  ReadToMark(stream);

  Put("b", "user/bob");
  Remove("b");
  Put("a", "user/alice");

  std::vector<std::string> all;
  while (all.empty()) {
    // Marks that come for what was not shown say nothing of it.
    all = ReadToMark(stream);
  }
  EXPECT_THAT(all, ElementsAre("a RUNNING"));
}

TEST_F(GuestWatchHubTest, SlowWatcherIsSentTheLatestOfEachGuestOnce) {
  Stream stream;
  Start(stream, "user/alice");
  ReadToMark(stream);
  // The queue is full, and the rest waits as names.
  for (int i = 0; i < 1000; ++i) {
    Put(absl::StrCat("f", i % 600), "user/alice");
  }
  for (int i = 0; i < 50; ++i) Put("busy", "user/alice");
  Put("busy", "user/alice", v1::Guest::STOPPED);
  Put("last", "user/alice");

  std::vector<std::string> of_busy;
  std::string seen;
  while (seen != "last RUNNING") {
    const std::optional<v1::WatchGuestsResponse> message = stream.Read();
    ASSERT_TRUE(message.has_value());
    if (!message->has_guest()) continue;
    seen = absl::StrCat(message->guest().name().substr(7), " ",
                        v1::Guest::State_Name(message->guest().state()));
    if (message->guest().name() == "guests/busy") of_busy.push_back(seen);
  }
  EXPECT_THAT(of_busy, ElementsAre("busy STOPPED"));
}

TEST_F(GuestWatchHubTest, ResumedWatcherIsSentWhatChangedSinceOnly) {
  Put("a", "user/alice");
  Put("b", "user/alice");
  Positions mark;
  {
    Stream first;
    Start(first, "user/alice");
    ReadToMark(first, &mark);
    first.Cancel();
    loop_.PostAndWait([] {});
  }
  Put("b", "user/alice", v1::Guest::STOPPED);
  Put("c", "user/alice");
  Remove("c");
  Put("foreign", "user/bob");
  Remove("foreign");

  Stream again;
  Start(again, "user/alice", mark);

  EXPECT_THAT(ReadToMark(again), ElementsAre("b STOPPED", "-c"));
}

TEST_F(GuestWatchHubTest, ResumedWatcherLearnsOfTheEndOfWhatItHadBefore) {
  Put("a", "user/alice");
  Stream stream;
  Start(stream, "user/alice", Positions{{"hosts/h1", {"1", sequence_}}});
  EXPECT_THAT(ReadToMark(stream), IsEmpty());

  Remove("a");

  EXPECT_THAT(ReadToMark(stream), ElementsAre("-a"));
}

TEST_F(GuestWatchHubTest, PlaceInAnotherIncarnationIsOutOfRange) {
  Put("a", "user/alice");
  Stream stream;
  Start(stream, "user/alice", Positions{{"hosts/h1", {"0", 1}}});

  const absl::Status end = stream.End();
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(end, HasReason(reason::kHistoryGone));
}

TEST_F(GuestWatchHubTest, MarkNamesTheHostsThatDoNotAnswer) {
  Put("a", "user/alice");
  table_.SetUnreachable("hosts/h1", true);
  Stream stream;
  Start(stream, "user/alice");

  std::optional<v1::WatchGuestsResponse> message;
  do {
    message = stream.Read();
    ASSERT_TRUE(message.has_value());
  } while (!message->has_progress());
  EXPECT_THAT(message->progress().unreachable(), ElementsAre("hosts/h1"));
}

TEST_F(GuestWatchHubTest, EndOfTheServiceEndsItsWatchers) {
  Stream stream;
  Start(stream, "user/alice");
  ReadToMark(stream);

  hub_.reset();

  EXPECT_THAT(stream.End(), HasReason(reason::kShuttingDown));
}

}  // namespace
}  // namespace innkeeper
