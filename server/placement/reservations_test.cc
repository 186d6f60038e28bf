#include "server/placement/reservations.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/keys.h"
#include "server/store/memory_store.h"
#include "server/store/sqlite_store.h"
#include "server/store/testing/faulty_store.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kGiB = int64_t{1} << 30;

ObservedHost Host(const std::string& name, int64_t gib) {
  ObservedHost host;
  host.view.name = name;
  host.view.up = true;
  host.view.total = {gib * kGiB, gib};
  return host;
}

PlacementRequest OneGiB() {
  PlacementRequest request;
  request.needs = {kGiB, 1};
  return request;
}

std::shared_ptr<Store> MakeMemoryStore() {
  return std::make_shared<MemoryStore>();
}

std::shared_ptr<Store> MakeSqliteStore() {
  const std::string path = absl::StrCat(testing::TempDir(), MakeUuid(), ".db");
  auto store = SqliteStore::Open(path);
  EXPECT_THAT(store, IsOk());
  return {store->release(), [path](Store* opened) {
            delete opened;
            for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
              std::remove(absl::StrCat(path, suffix).c_str());
            }
          }};
}

class ReservationsTest
    : public testing::TestWithParam<std::shared_ptr<Store> (*)()> {
 protected:
  absl::StatusOr<std::string> Reserve(const std::string& uid) {
    return reservations_.Reserve(
        OneGiB(), uid, [this]() -> absl::StatusOr<std::vector<ObservedHost>> {
          return hosts_;
        });
  }

  // What is reserved on all hosts, in GiB.
  int64_t ReservedGiB() {
    const auto view = ReservationView::Read(store_.get(), hosts_);
    EXPECT_THAT(view, IsOk());
    int64_t bytes = 0;
    for (const HostView& host : view->hosts()) bytes += host.used.memory_bytes;
    return bytes / kGiB;
  }

  const std::shared_ptr<Store> store_ = GetParam()();
  FaultyStore faulty_{store_.get()};
  Reservations reservations_{&faulty_};
  std::vector<ObservedHost> hosts_ = {Host("a", 2), Host("b", 2)};
};

INSTANTIATE_TEST_SUITE_P(Stores, ReservationsTest,
                         testing::Values(MakeMemoryStore, MakeSqliteStore));

TEST_P(ReservationsTest, GuestsAreSpreadUntilNothingIsLeft) {
  EXPECT_THAT(Reserve("1"), IsOkAndHolds("a"));
  EXPECT_THAT(Reserve("2"), IsOkAndHolds("b"));
  EXPECT_THAT(Reserve("3"), IsOkAndHolds("a"));
  EXPECT_THAT(Reserve("4"), IsOkAndHolds("b"));

  const auto refused = Reserve("5");

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused, HasReason(reason::kCapacityExhausted));
}

TEST_P(ReservationsTest, RoomReleasedCanBeReservedAgain) {
  hosts_ = {Host("a", 1)};
  ASSERT_THAT(Reserve("1"), IsOk());
  ASSERT_THAT(Reserve("2"), StatusIs(absl::StatusCode::kResourceExhausted));

  ASSERT_THAT(reservations_.Release("1"), IsOk());

  EXPECT_THAT(Reserve("2"), IsOkAndHolds("a"));
  EXPECT_THAT(reservations_.Release("never reserved"), IsOk());
}

TEST_P(ReservationsTest, SecondReservationOfAGuestIsTheFirst) {
  ASSERT_THAT(Reserve("1"), IsOkAndHolds("a"));
  EXPECT_THAT(Reserve("1"), IsOkAndHolds("a"));
  EXPECT_EQ(ReservedGiB(), 1);
}

TEST_P(ReservationsTest, GuestThatItsHostReportsCountsOnce) {
  hosts_ = {Host("a", 2)};
  ASSERT_THAT(Reserve("1"), IsOk());
  hosts_[0].guests["1"] = {kGiB, 1};
  hosts_[0].guests["unreserved"] = {kGiB / 2, 0};

  EXPECT_THAT(Reserve("2"), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("free 512 MiB of 2 GiB")));
}

TEST_P(ReservationsTest, AgentsOfOneMachineReserveFromOneCapacity) {
  for (ObservedHost& host : hosts_) host.view.machine_id = "m";

  EXPECT_THAT(Reserve("1"), IsOk());
  EXPECT_THAT(Reserve("2"), IsOk());
  EXPECT_THAT(Reserve("3"), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_P(ReservationsTest, ReservationOnTheSameMachineMeanwhileIsNoticed) {
  for (ObservedHost& host : hosts_) host.view.machine_id = "m";
  const auto view = ReservationView::Read(store_.get(), hosts_);
  ASSERT_THAT(view, IsOk());
  const auto mine = view->MakeReservation("a", "mine", {kGiB, 1});
  const auto theirs = view->MakeReservation("b", "theirs", {kGiB, 1});
  ASSERT_THAT(mine, IsOk());
  ASSERT_THAT(theirs, IsOk());

  ASSERT_TRUE(store_->Commit(*theirs)->committed);

  EXPECT_FALSE(store_->Commit(*mine)->committed);
}

TEST_P(ReservationsTest, CompanionIsCommittedWithTheReservationOrNotAtAll) {
  const auto observe = [this]() -> absl::StatusOr<std::vector<ObservedHost>> {
    return hosts_;
  };
  EXPECT_THAT(reservations_.Reserve(OneGiB(), "1", observe,
                                    [](absl::string_view host) {
                                      return Txn().PutKey("guests/1", host);
                                    }),
              IsOkAndHolds("a"));
  EXPECT_EQ(store_->Get("guests/1")->kv->value, "a");

  EXPECT_THAT(
      reservations_.Reserve(OneGiB(), "2", observe,
                            [](absl::string_view) -> absl::StatusOr<Txn> {
                              return absl::AlreadyExistsError("id in use");
                            }),
      StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(ReservedGiB(), 1);
}

TEST_P(ReservationsTest, UnknownOutcomeIsReadBack) {
  faulty_.FailNextCommits({CommitFault::kUnknownApplied});
  EXPECT_THAT(Reserve("1"), IsOkAndHolds("a"));
  faulty_.FailNextCommits({CommitFault::kUnknownLost});
  EXPECT_THAT(Reserve("2"), IsOkAndHolds("b"));
  faulty_.FailNextCommits({CommitFault::kUnknownApplied});
  EXPECT_THAT(reservations_.Release("1"), IsOk());

  EXPECT_EQ(ReservedGiB(), 1);
}

TEST_P(ReservationsTest, CommitThatArrivesLateReservesNothingTwice) {
  faulty_.FailNextCommits({CommitFault::kUnknownLate});
  ASSERT_THAT(Reserve("1"), IsOk());

  faulty_.DeliverLate();

  EXPECT_EQ(ReservedGiB(), 1);
}

TEST_P(ReservationsTest, OutcomeThatStaysUnknownIsToldAndSettledLater) {
  faulty_.ChooseFaults([](const Txn&) { return CommitFault::kUnknownLate; });
  ASSERT_TRUE(IsOutcomeUnknown(Reserve("1").status()));
  faulty_.ChooseFaults(nullptr);
  faulty_.DeliverLate();

  EXPECT_THAT(Reserve("1"), IsOkAndHolds("a"));
  EXPECT_EQ(ReservedGiB(), 1);
}

TEST_P(ReservationsTest, EndlessConflictIsGivenUp) {
  ASSERT_THAT(Reserve("1"), IsOk());
  ASSERT_THAT(Reserve("2"), IsOk());
  faulty_.ChooseFaults([](const Txn&) { return CommitFault::kConflict; });

  const auto lost = Reserve("3");

  EXPECT_THAT(lost, StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(lost, HasReason(reason::kStoreConflict));
}

TEST_P(ReservationsTest, FailureOfTheStoreReservesNothing) {
  faulty_.FailNextCommits({CommitFault::kUnavailable});

  EXPECT_THAT(Reserve("1"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ReservedGiB(), 0);
}

TEST_P(ReservationsTest, DamagedLedgerIsToldAndNotOverwritten) {
  const std::string key = keys::Reservation("a");
  ASSERT_THAT(store_->Commit(Txn().PutKey(key, "\xff\xff\xff")), IsOk());

  EXPECT_THAT(Reserve("1"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(key)));
  EXPECT_EQ(store_->Get(key)->kv->value, "\xff\xff\xff");
}

TEST_P(ReservationsTest, RaceForTheLastRoomHasExactlyAsManyWinners) {
  constexpr int kGuests = 32;
  constexpr int kRoom = 20;
  hosts_ = {Host("a", 7), Host("b", 7), Host("c", 6)};
  // Every third commit is disturbed by another writer, and of the rest some
  // have an outcome that nobody knows.
  faulty_.ChooseFaults([n = 0](const Txn&) mutable {
    ++n;
    if (n % 3 == 0) return CommitFault::kConflict;
    if (n % 7 == 0) return CommitFault::kUnknownApplied;
    if (n % 11 == 0) return CommitFault::kUnknownLost;
    if (n % 13 == 0) return CommitFault::kUnknownLate;
    return CommitFault::kNone;
  });
  std::atomic<int> won = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  threads.reserve(kGuests);
  for (int guest = 0; guest < kGuests; ++guest) {
    threads.emplace_back([this, guest, &won, &refused] {
      const auto host = Reserve(absl::StrCat("guest-", guest));
      if (host.ok()) {
        ++won;
        return;
      }
      ++refused;
      EXPECT_THAT(host, StatusIs(absl::StatusCode::kResourceExhausted));
      const auto numbers = DetailsOf(host.status()).metadata;
      EXPECT_EQ(numbers.count("host.a"), 1u);
      EXPECT_EQ(numbers.count("host.b"), 1u);
      EXPECT_EQ(numbers.count("host.c"), 1u);
      EXPECT_THAT(std::string(host.status().message()),
                  HasSubstr("c: memory: asked 1 GiB, free 0 MiB of 6 GiB"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  faulty_.DeliverLate();

  EXPECT_EQ(won, kRoom);
  EXPECT_EQ(refused, kGuests - kRoom);
  EXPECT_EQ(ReservedGiB(), kRoom);
}

}  // namespace
}  // namespace innkeeper
