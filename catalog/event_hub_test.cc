#include "catalog/event_hub.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "catalog/resume_token.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/testing/pulled_stream.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using Stream = PulledStream<v1::WatchEventsResponse>;

v1::Event MakeEvent(const std::string& host, int64_t sequence,
                    const std::string& epoch = "1") {
  v1::Event event;
  event.set_host(host);
  event.set_epoch(epoch);
  event.set_sequence(sequence);
  event.set_type("guest.started");
  event.set_guest(absl::StrCat("guests/g", sequence));
  event.set_owner(sequence % 2 == 0 ? "user/alice" : "user/bob");
  return event;
}

// Logs on a disk that is a map. Those of `lost` are no longer kept.
class FakeHistory final : public EventHistory {
 public:
  void Add(const v1::Event& event) {
    absl::MutexLock lock(&mutex_);
    logs_[event.host()].push_back(event);
  }
  // The events up to `sequence` are no longer kept.
  void Lose(const std::string& host, int64_t sequence) {
    absl::MutexLock lock(&mutex_);
    std::vector<v1::Event>& log = logs_[host];
    while (!log.empty() && log.front().sequence() <= sequence) {
      log.erase(log.begin());
    }
    lost_[host] = sequence;
  }
  // Called inside the next read.
  void SetHook(std::function<void()> hook) {
    absl::MutexLock lock(&mutex_);
    hook_ = std::move(hook);
  }
  int reads() const {
    absl::MutexLock lock(&mutex_);
    return reads_;
  }

  void Read(const std::string& host, const Position& after, int limit,
            Completion<std::vector<v1::Event>> done) override {
    absl::StatusOr<std::vector<v1::Event>> answer = std::vector<v1::Event>();
    {
      absl::MutexLock lock(&mutex_);
      ++reads_;
      if (!after.epoch.empty() && after.sequence < lost_[host]) {
        answer = Error(absl::StatusCode::kOutOfRange, reason::kHistoryGone,
                       "no longer kept")
                     .Build();
      } else {
        for (const v1::Event& event : logs_[host]) {
          if (event.sequence() <= after.sequence) continue;
          if (static_cast<int>(answer->size()) == limit) break;
          answer->push_back(event);
        }
      }
    }
    std::function<void()> hook;
    {
      absl::MutexLock lock(&mutex_);
      hook.swap(hook_);
    }
    if (hook) hook();
    done(std::move(answer));
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::vector<v1::Event>> logs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int64_t> lost_ ABSL_GUARDED_BY(mutex_);
  int reads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void()> hook_ ABSL_GUARDED_BY(mutex_);
};

class EventHubTest : public testing::Test {
 protected:
  EventHubTest()
      : loop_("hub"), hub_(std::make_unique<EventHub>(&loop_, &history_)) {
    hub_->SetHead("hosts/h1", {"1", 0});
  }
  ~EventHubTest() override {
    hub_.reset();
    loop_.PostAndWait([] {});
  }

  void Happen(const v1::Event& event) {
    history_.Add(event);
    hub_->Publish(event);
  }
  // Something happened on hosts/h1: events `from` to `to`.
  void Happen(int64_t from, int64_t to) {
    for (int64_t i = from; i <= to; ++i) Happen(MakeEvent("hosts/h1", i));
  }
  void Start(Stream& stream, std::optional<Positions> resume,
             bool from_oldest = false, bool until_now = false) {
    EventWatch watch;
    watch.resume = std::move(resume);
    watch.from_oldest = from_oldest;
    watch.until_now = until_now;
    watch.wants = wants_;
    watch.stream = stream.writer();
    hub_->Start(std::move(watch));
  }
  // "hosts/h1:7" for each of the next `count` events.
  static std::vector<std::string> ReadEvents(Stream& stream, size_t count) {
    std::vector<std::string> events;
    while (events.size() < count) {
      const std::optional<v1::WatchEventsResponse> message = stream.Read();
      if (!message.has_value()) break;
      if (!message->has_event()) continue;
      events.push_back(absl::StrCat(message->event().host(), ":",
                                    message->event().sequence()));
    }
    return events;
  }
  static Positions ReadMark(Stream& stream) {
    while (true) {
      const std::optional<v1::WatchEventsResponse> message = stream.Read();
      if (!message.has_value()) return {};
      if (!message->has_progress()) continue;
      return DecodePositions(message->progress().resume_token())
          .value_or(Positions());
    }
  }

  FakeHistory history_;
  EventLoop loop_;
  std::unique_ptr<EventHub> hub_;
  std::function<bool(const v1::Event&)> wants_ = [](const v1::Event&) {
    return true;
  };
};

TEST_F(EventHubTest, WatcherGetsAMarkThenWhatIsNew) {
  Happen(1, 2);
  Stream stream;
  Start(stream, std::nullopt);
  EXPECT_EQ(ReadMark(stream)["hosts/h1"].sequence, 2);

  Happen(3, 4);

  EXPECT_THAT(ReadEvents(stream, 2), ElementsAre("hosts/h1:3", "hosts/h1:4"));
}

TEST_F(EventHubTest, ResumedWatcherGetsEachEventSinceItsPlaceOnce) {
  Happen(1, 5);
  Stream stream;
  Start(stream, Positions{{"hosts/h1", {"1", 2}}});

  EXPECT_THAT(ReadEvents(stream, 3),
              ElementsAre("hosts/h1:3", "hosts/h1:4", "hosts/h1:5"));
  Happen(6, 6);
  EXPECT_THAT(ReadEvents(stream, 1), ElementsAre("hosts/h1:6"));
}

TEST_F(EventHubTest, WhatIsNoLongerInMemoryComesFromTheHistory) {
  const int64_t last = EventHub::kWindow + 1500;
  Happen(1, last);
  Stream stream;
  Start(stream, Positions{{"hosts/h1", {"1", 10}}});

  const std::vector<std::string> events =
      ReadEvents(stream, static_cast<size_t>(last - 10));

  ASSERT_THAT(events, SizeIs(last - 10));
  for (int64_t i = 11; i <= last; ++i) {
    ASSERT_EQ(events[i - 11], absl::StrCat("hosts/h1:", i));
  }
  EXPECT_GT(history_.reads(), 0);
}

TEST_F(EventHubTest, WholeLogIsReadFromItsOldestEvent) {
  Happen(1, 3);
  Stream stream;
  Start(stream, std::nullopt, /*from_oldest=*/true, /*until_now=*/true);

  EXPECT_THAT(ReadEvents(stream, 3),
              ElementsAre("hosts/h1:1", "hosts/h1:2", "hosts/h1:3"));
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(EventHubTest, EventThatComesWhileNothingIsFoundIsNotLost) {
  // A log whose events have all been forgotten.
  hub_->SetHead("hosts/h1", {"1", 50});
  history_.SetHook([this] { Happen(51, 51); });
  Stream stream;
  Start(stream, std::nullopt, /*from_oldest=*/true);

  EXPECT_THAT(ReadEvents(stream, 1), ElementsAre("hosts/h1:51"));
}

// The host has written events that it has not told the hub of yet.
TEST_F(EventHubTest, HistoryThatIsAheadOfTheHubIsSentOnceAndEndsNobody) {
  for (int i = 1; i <= 5; ++i) history_.Add(MakeEvent("hosts/h1", i));
  hub_->SetHead("hosts/h1", {"1", 3});
  Stream stream;

  Start(stream, std::nullopt, true);
  EXPECT_THAT(ReadEvents(stream, 3),
              ElementsAre("hosts/h1:1", "hosts/h1:2", "hosts/h1:3"));
  hub_->Publish(MakeEvent("hosts/h1", 4));
  hub_->Publish(MakeEvent("hosts/h1", 5));

  EXPECT_THAT(ReadEvents(stream, 2), ElementsAre("hosts/h1:4", "hosts/h1:5"));
}

TEST_F(EventHubTest, HistoryOfALogThatTheHubHasNotHeardOfYetIsWaitedFor) {
  history_.Add(MakeEvent("hosts/h1", 1, "2"));
  hub_->SetHead("hosts/h1", {"1", 7});
  Stream stream;
  Start(stream, std::nullopt, true);
  while (history_.reads() == 0) absl::SleepFor(absl::Milliseconds(1));
  loop_.PostAndWait([] {});
  loop_.PostAndWait([] {});
  EXPECT_EQ(history_.reads(), 1);

  hub_->SetHead("hosts/h1", {"2", 1});

  EXPECT_THAT(ReadEvents(stream, 1), ElementsAre("hosts/h1:1"));
}

TEST_F(EventHubTest, LogThatBeginsAnewWhileItIsReadIsReadAgain) {
  for (int i = 1; i <= 3; ++i) history_.Add(MakeEvent("hosts/h1", i));
  hub_->SetHead("hosts/h1", {"1", 3});
  history_.SetHook([this] {
    history_.Lose("hosts/h1", 3);
    history_.Add(MakeEvent("hosts/h1", 4, "2"));
    hub_->SetHead("hosts/h1", {"2", 4});
  });
  Stream stream;

  Start(stream, std::nullopt, true);

  EXPECT_THAT(ReadEvents(stream, 1), ElementsAre("hosts/h1:4"));
}

TEST_F(EventHubTest, WatchUntilNowEndsWithAMarkOfItsEnd) {
  Happen(1, 3);
  Stream stream;
  Start(stream, Positions{{"hosts/h1", {"1", 1}}}, false, /*until_now=*/true);

  EXPECT_EQ(ReadMark(stream)["hosts/h1"].sequence, 1);
  EXPECT_EQ(ReadMark(stream)["hosts/h1"].sequence, 3);
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(EventHubTest, PlaceThatTheLogNoLongerReachesIsOutOfRange) {
  Happen(1, EventHub::kWindow + 100);
  history_.Lose("hosts/h1", 50);
  Stream stream;
  Start(stream, Positions{{"hosts/h1", {"1", 10}}});

  const absl::Status end = stream.End();
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(end, HasReason(reason::kHistoryGone));
}

TEST_F(EventHubTest, PlaceInAnotherIncarnationOrTheFutureIsOutOfRange) {
  Happen(1, 5);
  for (const Position& place : {Position{"0", 2}, Position{"1", 6}}) {
    Stream stream;
    Start(stream, Positions{{"hosts/h1", place}});
    EXPECT_THAT(stream.End(), HasReason(reason::kHistoryGone));
  }
}

TEST_F(EventHubTest, LogThatBeginsAnewEndsTheWatchersOfTheOldOne) {
  Happen(1, 2);
  Stream stream;
  Start(stream, std::nullopt);
  ReadMark(stream);

  hub_->SetHead("hosts/h1", {"2", 0});

  EXPECT_THAT(stream.End(), HasReason(reason::kHistoryGone));
}

TEST_F(EventHubTest, EachLogKeepsItsOrderAmongMany) {
  hub_->SetHead("hosts/h2", {"7", 100});
  Stream stream;
  Start(stream, std::nullopt);
  ReadMark(stream);

  Happen(1, 1);
  Happen(MakeEvent("hosts/h2", 101, "7"));
  Happen(2, 2);
  Happen(MakeEvent("hosts/h2", 102, "7"));

  std::vector<std::string> h1;
  std::vector<std::string> h2;
  for (const std::string& event : ReadEvents(stream, 4)) {
    (event[7] == '1' ? h1 : h2).push_back(event);
  }
  EXPECT_THAT(h1, ElementsAre("hosts/h1:1", "hosts/h1:2"));
  EXPECT_THAT(h2, ElementsAre("hosts/h2:101", "hosts/h2:102"));
}

TEST_F(EventHubTest, LogThatCameUpSinceThePlaceIsReadFromItsBeginning) {
  Happen(1, 1);
  hub_->SetHead("hosts/h2", {"7", 0});
  Happen(MakeEvent("hosts/h2", 1, "7"));
  Happen(MakeEvent("hosts/h2", 2, "7"));
  Stream stream;
  Start(stream, Positions{{"hosts/h1", {"1", 0}}});

  EXPECT_THAT(ReadEvents(stream, 3),
              UnorderedElementsAre("hosts/h1:1", "hosts/h2:1", "hosts/h2:2"));
}

TEST_F(EventHubTest, RepeatedEventIsSentOnce) {
  Stream stream;
  Start(stream, std::nullopt);
  ReadMark(stream);

  Happen(1, 2);
  hub_->Publish(MakeEvent("hosts/h1", 2));
  hub_->Publish(MakeEvent("hosts/h1", 1));
  Happen(3, 3);

  EXPECT_THAT(ReadEvents(stream, 3),
              ElementsAre("hosts/h1:1", "hosts/h1:2", "hosts/h1:3"));
}

TEST_F(EventHubTest, WatcherIsSentOnlyWhatItWantsAndStillMovesOn) {
  wants_ = [](const v1::Event& event) { return event.owner() == "user/alice"; };
  Happen(1, 5);
  Stream stream;
  Start(stream, Positions{{"hosts/h1", {"1", 0}}}, false, /*until_now=*/true);

  EXPECT_THAT(ReadEvents(stream, 2), ElementsAre("hosts/h1:2", "hosts/h1:4"));
  EXPECT_EQ(ReadMark(stream)["hosts/h1"].sequence, 5);
}

TEST_F(EventHubTest, MarksComeAmongManyEvents) {
  Stream stream;
  Start(stream, std::nullopt);
  ReadMark(stream);

  Happen(1, EventHub::kMarkEvents);

  const Positions mark = ReadMark(stream);
  EXPECT_EQ(mark.at("hosts/h1").sequence, EventHub::kMarkEvents);
}

// It costs the hub nothing meanwhile: its events wait in the log.
TEST_F(EventHubTest, WatcherThatReadsLateGetsEverythingInOrder) {
  Stream slow;
  Start(slow, std::nullopt);
  ReadMark(slow);
  Stream fast;
  Start(fast, std::nullopt);
  ReadMark(fast);

  const int64_t last = EventHub::kWindow + 3000;
  for (int64_t i = 1; i <= last; ++i) {
    Happen(i, i);
    // One that reads is not held up by one that does not.
    ASSERT_THAT(ReadEvents(fast, 1), ElementsAre(absl::StrCat("hosts/h1:", i)));
  }

  const std::vector<std::string> events =
      ReadEvents(slow, static_cast<size_t>(last));
  ASSERT_THAT(events, SizeIs(last));
  for (int64_t i = 1; i <= last; ++i) {
    ASSERT_EQ(events[i - 1], absl::StrCat("hosts/h1:", i));
  }
}

TEST_F(EventHubTest, WatcherThatIsGoneIsForgotten) {
  Stream stream;
  Start(stream, std::nullopt);
  ReadMark(stream);
  std::weak_ptr<StreamWriter<v1::WatchEventsResponse>> writer = stream.writer();

  stream.Cancel();
  loop_.PostAndWait([] {});
  Happen(1, 3);
  loop_.PostAndWait([] {});

  // The test's own is the last one.
  EXPECT_EQ(writer.use_count(), 1);
}

TEST_F(EventHubTest, ForgottenLogIsWatchedNoMore) {
  hub_->SetHead("hosts/h2", {"7", 3});
  hub_->Forget("hosts/h1");
  Stream stream;
  Start(stream, std::nullopt, false, /*until_now=*/true);

  const Positions mark = ReadMark(stream);
  EXPECT_EQ(mark.count("hosts/h1"), 0u);
  EXPECT_EQ(mark.at("hosts/h2").sequence, 3);
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(EventHubTest, EndOfTheServiceEndsItsWatchersWithAWayOut) {
  Stream stream;
  Start(stream, std::nullopt);
  ReadMark(stream);

  hub_.reset();

  const absl::Status end = stream.End();
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(end, HasReason(reason::kShuttingDown));
}

TEST_F(EventHubTest, GuestsSinceAPlaceAreThoseThatMayBeSeen) {
  Happen(1, 6);
  absl::StatusOr<std::vector<std::string>> guests = absl::UnknownError("");
  const auto ask = [&](const Positions& from) {
    absl::Notification answered;
    loop_.Post([&] {
      hub_->GuestsSince(
          from,
          [](const v1::Event& event) { return event.owner() == "user/alice"; },
          [&](absl::StatusOr<std::vector<std::string>> answer) {
            guests = std::move(answer);
            answered.Notify();
          });
    });
    EXPECT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(20)));
  };

  ask({{"hosts/h1", {"1", 3}}});
  ASSERT_THAT(guests, IsOk());
  EXPECT_THAT(*guests, UnorderedElementsAre("guests/g4", "guests/g6"));
  ask({{"hosts/h1", {"1", 6}}});
  EXPECT_THAT(*guests, IsEmpty());
  ask({{"hosts/h1", {"0", 6}}});
  EXPECT_THAT(guests, HasReason(reason::kHistoryGone));
}

}  // namespace
}  // namespace innkeeper
