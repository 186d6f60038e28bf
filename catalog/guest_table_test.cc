#include "catalog/guest_table.h"

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

v1::Guest MakeGuest(const std::string& name, const std::string& uid,
                    const std::string& host) {
  v1::Guest guest;
  guest.set_name("guests/" + name);
  guest.set_uid(uid);
  guest.set_host("hosts/" + host);
  guest.set_owner("user/a");
  return guest;
}

std::vector<std::string> NamesOf(GuestTable& table) {
  std::vector<std::string> names;
  const auto snapshot = table.Snapshot();
  for (const GuestRowPtr& row : snapshot->rows) {
    names.push_back(row->guest.name());
  }
  return names;
}

TEST(GuestTableTest, RowsComeByName) {
  GuestTable table;
  table.Put(MakeGuest("b", "22222222-0000-4000-8000-000000000000", "h1"));
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));

  EXPECT_THAT(NamesOf(table), ElementsAre("guests/a", "guests/b"));
  EXPECT_EQ(table.Find("guests/a")->attributes.owner, "user/a");
}

TEST(GuestTableTest, SecondGuestOfANameIsShownWithItsUid) {
  GuestTable table;
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));
  const GuestRowPtr second =
      table.Put(MakeGuest("a", "2222aaaa-0000-4000-8000-000000000000", "h2"));

  EXPECT_EQ(second->guest.name(), "guests/a-2222aa");
  // It keeps that name when it changes.
  table.Put(MakeGuest("a", "2222aaaa-0000-4000-8000-000000000000", "h2"));
  EXPECT_THAT(NamesOf(table), ElementsAre("guests/a", "guests/a-2222aa"));
}

TEST(GuestTableTest, NameGoesToTheGuestThatHasAClaimToItWheneverItComes) {
  GuestTable table;
  EXPECT_EQ(
      table.Claim("guests/a", "2222aaaa-0000-4000-8000-000000000000").before,
      nullptr);
  const GuestRowPtr first =
      table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));
  const GuestRowPtr claimant =
      table.Put(MakeGuest("a", "2222aaaa-0000-4000-8000-000000000000", "h2"));

  EXPECT_EQ(first->guest.name(), "guests/a-111111");
  EXPECT_EQ(first->reported_name, "guests/a");
  EXPECT_EQ(claimant->guest.name(), "guests/a");
}

TEST(GuestTableTest, ClaimTakesTheNameFromWhoHasItWithoutOne) {
  GuestTable table;
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));
  ASSERT_THAT(table.SetUnreachable("hosts/h1", true), SizeIs(1));

  const GuestTable::Renamed renamed =
      table.Claim("guests/a", "2222aaaa-0000-4000-8000-000000000000");

  EXPECT_EQ(renamed.before->guest.name(), "guests/a");
  EXPECT_EQ(renamed.after->guest.name(), "guests/a-111111");
  EXPECT_EQ(renamed.after->attributes.name, "guests/a-111111");
  EXPECT_EQ(renamed.after->reported_name, "guests/a");
  EXPECT_TRUE(renamed.after->guest.stale());
  EXPECT_THAT(NamesOf(table), ElementsAre("guests/a-111111"));
  EXPECT_EQ(table.FindByUid("11111111-0000-4000-8000-000000000000"),
            renamed.after);
}

TEST(GuestTableTest, ClaimThatIsTakenBackFreesTheNameOnlyForItsHolder) {
  GuestTable table;
  table.Claim("guests/a", "2222aaaa-0000-4000-8000-000000000000");

  table.Unclaim("guests/a", "33333333-0000-4000-8000-000000000000");
  EXPECT_EQ(
      table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"))
          ->guest.name(),
      "guests/a-111111");
  table.Unclaim("guests/a", "2222aaaa-0000-4000-8000-000000000000");

  EXPECT_EQ(
      table.Put(MakeGuest("a", "44444444-0000-4000-8000-000000000000", "h1"))
          ->guest.name(),
      "guests/a");
}

TEST(GuestTableTest, GuestThatIsGoneIsNotTakenForTheOneThatHasItsName) {
  GuestTable table;
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));

  EXPECT_EQ(table.NameOf("guests/a", "11111111-0000-4000-8000-000000000000"),
            "guests/a");
  EXPECT_EQ(table.NameOf("guests/a", "2222aaaa-0000-4000-8000-000000000000"),
            "guests/a-2222aa");
  EXPECT_EQ(table.NameOf("guests/b", "2222aaaa-0000-4000-8000-000000000000"),
            "guests/b");
}

TEST(GuestTableTest, NameWithASuffixIsNotTakenFromAnotherGuest) {
  GuestTable table;
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));
  table.Put(
      MakeGuest("a-2222aa", "33333333-0000-4000-8000-000000000000", "h1"));

  const GuestRowPtr second =
      table.Put(MakeGuest("a", "2222aaaa-0000-4000-8000-000000000000", "h2"));

  EXPECT_EQ(second->guest.name(), "guests/a-2222aaaa0000");
  EXPECT_THAT(NamesOf(table), ElementsAre("guests/a", "guests/a-2222aa",
                                          "guests/a-2222aaaa0000"));
}

TEST(GuestTableTest, LongestNameWithASuffixIsStillAName) {
  GuestTable table;
  const std::string longest(63, 'a');
  table.Put(MakeGuest(longest, "11111111-0000-4000-8000-000000000000", "h1"));

  const GuestRowPtr second = table.Put(
      MakeGuest(longest, "2222aaaa-0000-4000-8000-000000000000", "h2"));

  EXPECT_EQ(second->guest.name(), "guests/" + std::string(56, 'a') + "-2222aa");
  EXPECT_EQ(second->reported_name, "guests/" + longest);
}

TEST(GuestTableTest, UnreachableHostsGuestsAreStaleAndStay) {
  GuestTable table;
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));
  table.Put(MakeGuest("b", "22222222-0000-4000-8000-000000000000", "h2"));

  EXPECT_THAT(table.SetUnreachable("hosts/h1", true), SizeIs(1));

  EXPECT_TRUE(table.Find("guests/a")->guest.stale());
  EXPECT_FALSE(table.Find("guests/b")->guest.stale());
  EXPECT_THAT(table.Snapshot()->unreachable, ElementsAre("hosts/h1"));
  EXPECT_THAT(table.SetUnreachable("hosts/h1", true), IsEmpty());

  EXPECT_THAT(table.SetUnreachable("hosts/h1", false), SizeIs(1));
  EXPECT_FALSE(table.Find("guests/a")->guest.stale());
}

TEST(GuestTableTest, WhatIsStaleIsAsOldAsTheLastContact) {
  GuestTable table;
  v1::Guest guest =
      MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1");
  guest.mutable_observe_time()->set_seconds(100);
  table.Put(guest);
  guest = MakeGuest("b", "22222222-0000-4000-8000-000000000000", "h1");
  guest.mutable_observe_time()->set_seconds(300);
  table.Put(guest);

  table.SetUnreachable("hosts/h1", true, absl::FromUnixSeconds(200));

  EXPECT_EQ(table.Find("guests/a")->guest.observe_time().seconds(), 200);
  EXPECT_EQ(table.Find("guests/b")->guest.observe_time().seconds(), 300);
}

TEST(GuestTableTest, GuestsMissingFromASnapshotOfTheirHostAreGone) {
  GuestTable table;
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));
  table.Put(MakeGuest("b", "22222222-0000-4000-8000-000000000000", "h1"));
  table.Put(MakeGuest("c", "33333333-0000-4000-8000-000000000000", "h2"));

  EXPECT_THAT(
      table.RetainOnHost("hosts/h1", {"22222222-0000-4000-8000-000000000000"}),
      SizeIs(1));

  EXPECT_THAT(NamesOf(table), ElementsAre("guests/b", "guests/c"));
}

TEST(GuestTableTest, SnapshotDoesNotChangeUnderItsReader) {
  GuestTable table;
  table.Put(MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1"));
  const auto before = table.Snapshot();

  table.Remove("11111111-0000-4000-8000-000000000000");

  EXPECT_THAT(before->rows, SizeIs(1));
  EXPECT_THAT(table.Snapshot()->rows, IsEmpty());
}

TEST(GuestTableTest, BasicViewLeavesOutTheProcess) {
  v1::Guest guest =
      MakeGuest("a", "11111111-0000-4000-8000-000000000000", "h1");
  guest.mutable_process()->set_pid(7);
  guest.mutable_spec()->set_vcpu_count(2);
  guest.mutable_spec()->set_kernel("pools/p/volumes/k");

  const v1::Guest basic = ToBasicView(guest);

  EXPECT_FALSE(basic.has_process());
  EXPECT_EQ(basic.spec().vcpu_count(), 2);
  EXPECT_EQ(basic.spec().kernel(), "");
}

}  // namespace
}  // namespace innkeeper
