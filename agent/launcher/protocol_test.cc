#include "agent/launcher/protocol.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/launcher/journal_entry.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::SizeIs;

LaunchPlan Plan() {
  LaunchPlan plan;
  plan.guest = "web";
  plan.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  plan.owner = "user/ada";
  plan.spec_digest = "d";
  plan.manifest = std::string("\0\xff", 2);
  plan.argv = {"/qemu", "", "-x"};
  plan.images = {{"p", "n", true, int64_t{5} << 40}, {"p", "m", false}};
  plan.overlays = {{1 << 20}};
  plan.taps = {{"lan", {2, 0, 0, 0, 0, 1}, 2, {"\n\1\2\3"}}};
  plan.fds = {{63, FdKind::kOverlay, 0}, {3, FdKind::kImage, 1}};
  plan.ram_bytes = int64_t{1} << 40;
  plan.limits = {1, 2, 3};
  plan.kvm = true;
  plan.firmware = PlannedFirmware::kUefiSecureBoot;
  return plan;
}

TEST(ProtocolTest, PlanComesBackWhole) {
  const std::string bytes = EncodePlan(Plan());

  const auto plan = DecodePlan(bytes);

  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(EncodePlan(*plan), bytes);
  EXPECT_EQ(plan->manifest, Plan().manifest);
  EXPECT_EQ(plan->argv, Plan().argv);
  EXPECT_EQ(plan->ram_bytes, int64_t{1} << 40);
  EXPECT_EQ(plan->images[0].max_bytes, int64_t{5} << 40);
  EXPECT_EQ(plan->fds[0].number, 63);
  EXPECT_TRUE(plan->kvm);
  ASSERT_THAT(plan->taps, SizeIs(1));
  EXPECT_EQ(plan->taps[0].network, "lan");
  EXPECT_EQ(plan->taps[0].mac, (MacAddress{2, 0, 0, 0, 0, 1}));
  EXPECT_EQ(plan->taps[0].queue_count, 2);
  EXPECT_THAT(plan->taps[0].addresses, ElementsAre("\n\1\2\3"));
  EXPECT_EQ(plan->firmware, PlannedFirmware::kUefiSecureBoot);
}

TEST(ProtocolTest, EveryCutAndEveryTailIsRefused) {
  const std::string plan = EncodePlan(Plan());
  for (size_t size = 0; size < plan.size(); ++size) {
    EXPECT_FALSE(DecodePlan(plan.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodePlan(plan + "x").ok());
  const std::string message = EncodeMessage(2, 9, plan);
  for (size_t size = 0; size < message.size(); ++size) {
    EXPECT_FALSE(DecodeMessage(message.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeMessage(message + "x").ok());
  std::string other_version = message;
  other_version[3] ^= 1;
  EXPECT_FALSE(DecodeMessage(other_version).ok());
}

TEST(ProtocolTest, CountsBeyondTheirBoundsAreRefusedBeforeAnythingIsMade) {
  std::string plan = EncodePlan(Plan());
  // The count of arguments follows five strings.
  const size_t at = plan.find("/qemu") - 8;
  plan[at + 3] = '\x7f';

  EXPECT_THAT(DecodePlan(plan), HasReason(reason::kInvalidRequest));
}

TEST(ProtocolTest, ErrorsCrossWithReasonAndMetadata) {
  const absl::Status error =
      Error(absl::StatusCode::kInternal, reason::kGuestLaunchFailed, "failed")
          .With("step", "clone")
          .With("errno", "12");
  const std::string reply = EncodeReply(error, "never seen");
  absl::string_view payload = reply;

  const absl::Status status = DecodeReply(payload);

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, "failed"));
  EXPECT_THAT(status, HasReason(reason::kGuestLaunchFailed));
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("errno", "12"), Pair("step", "clone")));
}

TEST(ProtocolTest, BodyFollowsAnOkStatus) {
  const std::string reply = EncodeReply(
      absl::OkStatus(), EncodeLaunchReply({1, 2, 3, 4, uint64_t{5} << 40, {}}));
  absl::string_view payload = reply;

  ASSERT_THAT(DecodeReply(payload), IsOk());
  const auto launch = DecodeLaunchReply(payload);

  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->pid, 1);
  EXPECT_EQ(launch->unix_gid, 4u);
  EXPECT_EQ(launch->start_time_ticks, uint64_t{5} << 40);
}

TEST(ProtocolTest, HelloComesBackWhole) {
  const auto hello = DecodeHelloReply(EncodeHelloReply(
      {"h1", "/run/x", {{"main"}, {"iso", true}}, {{"lan", true}}, {"uefi"}}));

  ASSERT_THAT(hello, IsOk());
  EXPECT_EQ(hello->instance, "h1");
  EXPECT_EQ(hello->run_dir, "/run/x");
  ASSERT_THAT(hello->pools, SizeIs(2));
  EXPECT_EQ(hello->pools[0].name, "main");
  EXPECT_TRUE(hello->pools[1].block);
  ASSERT_THAT(hello->networks, SizeIs(1));
  EXPECT_TRUE(hello->networks[0].isolated);
  EXPECT_THAT(hello->features, ElementsAre("uefi"));
}

TEST(ProtocolTest, ListThatDoesNotFitSaysThatThereIsMore) {
  KnownGuest guest;
  guest.guest = "g";
  guest.manifest = std::string(kMaxManifestBytes, 'm');
  const std::vector<KnownGuest> guests(3, guest);

  const std::string body = EncodeListReply(guests);

  EXPECT_LE(EncodeMessage(6, 1, EncodeReply(absl::OkStatus(), body)).size(),
            kMaxMessageBytes);
  const auto list = DecodeListReply(body);
  ASSERT_THAT(list, IsOk());
  EXPECT_TRUE(list->more);
  EXPECT_THAT(list->guests, SizeIs(1));
}

TEST(ProtocolTest, JournalEntryComesBackAndItsCutsDoNot) {
  JournalEntry entry;
  entry.launched = true;
  entry.guest = "web";
  entry.unix_uid = 1880000006;
  entry.made_state = true;
  entry.pid = 1 << 20;
  const std::string bytes = EncodeJournalEntry(entry);

  const auto again = DecodeJournalEntry(bytes);

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(EncodeJournalEntry(*again), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeJournalEntry(bytes.substr(0, size)).ok());
  }
}

}  // namespace
}  // namespace innkeeper
