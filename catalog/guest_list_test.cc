#include "catalog/guest_list.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "auth/testing/permit_for_test.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "catalog/resume_token.h"
#include "gmock/gmock.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Permit For(const std::string& caller, const std::string& scope = "own") {
  return PermitForTest(caller, "guests.list", "", scope);
}

class GuestListTest : public testing::Test {
 protected:
  void Put(const std::string& id, const std::string& owner, int vcpus,
           v1::Guest::State state = v1::Guest::RUNNING,
           const std::string& host = "hosts/h1") {
    v1::Guest guest;
    guest.set_name(absl::StrCat("guests/", id));
    guest.set_uid(absl::StrCat("uid-", id));
    guest.set_owner(owner);
    guest.set_host(host);
    guest.set_state(state);
    guest.mutable_spec()->set_vcpu_count(vcpus);
    guest.mutable_spec()->set_kernel("pools/main/volumes/vmlinuz");
    (*guest.mutable_labels())["tier"] = vcpus > 2 ? "big" : "small";
    guest.set_etag("e");
    table_.Put(std::move(guest));
  }
  absl::StatusOr<v1::ListGuestsResponse> List(
      const Permit& permit, const v1::ListGuestsRequest& request) {
    absl::StatusOr<grpc::ByteBuffer> bytes = list_.List(permit, request);
    if (!bytes.ok()) return bytes.status();
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(bytes->Dump(&slices).ok());
    std::string all;
    for (const grpc::Slice& slice : slices) {
      all.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    v1::ListGuestsResponse response;
    EXPECT_TRUE(response.ParseFromString(all));
    return response;
  }
  // The ids that `permit` is shown with `filter`, in `order`.
  std::vector<std::string> Ids(const Permit& permit,
                               const std::string& filter = "",
                               const std::string& order = "") {
    v1::ListGuestsRequest request;
    request.set_filter(filter);
    request.set_order_by(order);
    const absl::StatusOr<v1::ListGuestsResponse> list = List(permit, request);
    EXPECT_THAT(list, IsOk()) << filter;
    std::vector<std::string> ids;
    if (!list.ok()) return ids;
    for (const v1::Guest& guest : list->guests()) {
      ids.push_back(guest.name().substr(7));
    }
    return ids;
  }

  const PageTokenSealer sealer_{std::string(32, 's')};
  GuestTable table_;
  const GuestList list_{&table_, &sealer_};
};

TEST_F(GuestListTest, CallerSeesWhatItsScopeCovers) {
  Put("a", "user/alice", 1);
  Put("b", "user/bob", 4);
  Put("c", "user/alice", 4, v1::Guest::STOPPED, "hosts/h2");

  EXPECT_THAT(Ids(For("user/alice")), ElementsAre("a", "c"));
  EXPECT_THAT(Ids(For("user/carol")), IsEmpty());
  EXPECT_THAT(Ids(For("user/x", "all")), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Ids(For("user/x", "host:h2")), ElementsAre("c"));
  EXPECT_THAT(Ids(For("user/x", "label:tier=big")), ElementsAre("b", "c"));
  EXPECT_THAT(Ids(For("user/x", "guest:b")), ElementsAre("b"));
}

TEST_F(GuestListTest, FilterNeverWidensWhatMayBeSeen) {
  Put("a", "user/alice", 1);
  Put("b", "user/bob", 4);

  EXPECT_THAT(Ids(For("user/alice"), "owner = \"user/bob\""), IsEmpty());
  EXPECT_THAT(Ids(For("user/alice"), "NOT owner = \"user/alice\""), IsEmpty());
  EXPECT_THAT(Ids(For("user/alice"), "name = \"guests/b\""), IsEmpty());
}

TEST_F(GuestListTest, FiltersAndOrdersByTheFieldsOfAGuest) {
  Put("a", "user/alice", 1);
  Put("b", "user/alice", 4, v1::Guest::STOPPED);
  Put("c", "user/alice", 2);
  const Permit alice = For("user/alice");

  EXPECT_THAT(Ids(alice, "state = RUNNING"), ElementsAre("a", "c"));
  EXPECT_THAT(Ids(alice, "spec.vcpu_count >= 2 AND state = RUNNING"),
              ElementsAre("c"));
  EXPECT_THAT(Ids(alice, "labels.tier = \"big\""), ElementsAre("b"));
  EXPECT_THAT(Ids(alice, "", "spec.vcpu_count desc"),
              ElementsAre("b", "c", "a"));
  EXPECT_THAT(Ids(alice, "", "state, name desc"), ElementsAre("c", "a", "b"));
}

TEST_F(GuestListTest, ViewDecidesHowMuchOfEachGuestIsSent) {
  Put("a", "user/alice", 1);
  v1::ListGuestsRequest request;

  v1::Guest guest = List(For("user/alice"), request)->guests(0);
  EXPECT_EQ(guest.spec().vcpu_count(), 1);
  EXPECT_EQ(guest.spec().kernel(), "");
  request.set_view(v1::BASIC);
  EXPECT_EQ(List(For("user/alice"), request)->guests(0).spec().kernel(), "");
  request.set_view(v1::FULL);
  guest = List(For("user/alice"), request)->guests(0);
  EXPECT_EQ(guest.spec().kernel(), "pools/main/volumes/vmlinuz");
  EXPECT_EQ(guest.etag(), "e");
}

TEST_F(GuestListTest, PagesNeitherRepeatNorOmitAndBelongToTheirCaller) {
  for (int i = 0; i < 10; ++i) {
    Put(absl::StrFormat("g%02d", i), "user/alice", 1);
    Put(absl::StrFormat("x%02d", i), "user/bob", 1);
  }
  v1::ListGuestsRequest request;
  request.set_page_size(3);
  std::vector<std::string> ids;
  std::string first_token;
  do {
    const absl::StatusOr<v1::ListGuestsResponse> page =
        List(For("user/alice"), request);
    ASSERT_THAT(page, IsOk());
    ASSERT_LE(page->guests_size(), 3);
    for (const v1::Guest& guest : page->guests()) {
      ids.push_back(guest.name().substr(7));
    }
    request.set_page_token(page->next_page_token());
    if (first_token.empty()) first_token = request.page_token();
  } while (!request.page_token().empty());
  ASSERT_THAT(ids, SizeIs(10));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ids[i], absl::StrFormat("g%02d", i));

  request.set_page_token(first_token);
  EXPECT_THAT(List(For("user/bob"), request),
              HasReason(reason::kInvalidPageToken));
  request.set_filter("state = RUNNING");
  EXPECT_THAT(List(For("user/alice"), request),
              HasReason(reason::kInvalidPageToken));
}

TEST_F(GuestListTest, FullPagesAreShorterThanBasicOnes) {
  for (int i = 0; i < 1001; ++i) Put(absl::StrCat("g", i), "user/alice", 1);
  v1::ListGuestsRequest request;

  EXPECT_THAT(List(For("user/alice"), request)->guests(), SizeIs(1001));
  request.set_view(v1::FULL);
  request.set_page_size(5000);
  const absl::StatusOr<v1::ListGuestsResponse> page =
      List(For("user/alice"), request);
  EXPECT_THAT(page->guests(), SizeIs(1000));
  EXPECT_NE(page->next_page_token(), "");
}

TEST_F(GuestListTest, UnreachableHostsAreNamedAndTheirGuestsStale) {
  Put("a", "user/alice", 1);
  Put("b", "user/alice", 1, v1::Guest::RUNNING, "hosts/h2");
  table_.SetUnreachable("hosts/h2", true);

  const absl::StatusOr<v1::ListGuestsResponse> list =
      List(For("user/alice"), v1::ListGuestsRequest());

  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(list->unreachable(), ElementsAre("hosts/h2"));
  ASSERT_THAT(list->guests(), SizeIs(2));
  EXPECT_FALSE(list->guests(0).stale());
  EXPECT_TRUE(list->guests(1).stale());
}

TEST_F(GuestListTest, BadRequestsAreRefusedWithTheirReason) {
  v1::ListGuestsRequest request;
  request.set_filter("colour = red");
  EXPECT_THAT(List(For("user/alice"), request),
              HasReason(reason::kInvalidFilter));
  request.clear_filter();
  request.set_order_by("colour");
  EXPECT_THAT(List(For("user/alice"), request),
              HasReason(reason::kInvalidOrderBy));
  request.clear_order_by();
  request.set_page_token("forged");
  EXPECT_THAT(List(For("user/alice"), request),
              HasReason(reason::kInvalidPageToken));
}

TEST_F(GuestListTest, GuestWatchGoesByPermitAndFilter) {
  Put("a", "user/alice", 1);
  Put("b", "user/alice", 4);
  Put("c", "user/bob", 4);
  v1::WatchGuestsRequest request;
  request.set_filter("spec.vcpu_count > 2");
  request.set_view(v1::FULL);

  const absl::StatusOr<GuestWatch> watch =
      MakeGuestWatch(For("user/alice"), request, nullptr);

  ASSERT_THAT(watch, IsOk());
  EXPECT_TRUE(watch->full);
  EXPECT_FALSE(watch->resume.has_value());
  EXPECT_FALSE(watch->wants(*table_.Find("guests/a")));
  EXPECT_TRUE(watch->sees(*table_.Find("guests/a")));
  EXPECT_TRUE(watch->wants(*table_.Find("guests/b")));
  EXPECT_FALSE(watch->wants(*table_.Find("guests/c")));
  EXPECT_FALSE(watch->sees(*table_.Find("guests/c")));
  v1::Event event;
  event.set_guest("guests/c");
  event.set_owner("user/bob");
  EXPECT_FALSE(watch->may_see(event));
  event.set_owner("user/alice");
  EXPECT_TRUE(watch->may_see(event));
}

TEST_F(GuestListTest, EventWatchGoesByPermitAndFilter) {
  v1::WatchEventsRequest request;
  request.set_filter("type = \"guest.failed\"");
  request.set_until_now(true);
  const absl::StatusOr<EventWatch> watch =
      MakeEventWatch(For("user/alice"), request, nullptr);

  ASSERT_THAT(watch, IsOk());
  EXPECT_TRUE(watch->until_now);
  v1::Event event;
  event.set_host("hosts/h1");
  event.set_type("guest.failed");
  event.set_guest("guests/a");
  event.set_owner("user/alice");
  EXPECT_TRUE(watch->wants(event));
  event.set_type("guest.started");
  EXPECT_FALSE(watch->wants(event));
  event.set_type("guest.failed");
  event.set_owner("user/bob");
  EXPECT_FALSE(watch->wants(event));
  // An event of the host itself is nobody's own.
  event.clear_guest();
  event.clear_owner();
  EXPECT_FALSE(watch->wants(event));
  EXPECT_TRUE(
      MakeEventWatch(For("user/x", "host:h1"), request, nullptr)->wants(event));
}

TEST_F(GuestListTest, BadWatchesAreRefused) {
  v1::WatchGuestsRequest guests;
  guests.set_filter("colour = red");
  EXPECT_THAT(MakeGuestWatch(For("user/alice"), guests, nullptr).status(),
              HasReason(reason::kInvalidFilter));
  guests.clear_filter();
  guests.set_resume_token("nonsense");
  EXPECT_THAT(MakeGuestWatch(For("user/alice"), guests, nullptr).status(),
              HasReason(reason::kInvalidResumeToken));
  v1::WatchEventsRequest events;
  events.set_resume_token("nonsense");
  EXPECT_THAT(MakeEventWatch(For("user/alice"), events, nullptr).status(),
              HasReason(reason::kInvalidResumeToken));
  events.set_resume_token(EncodePositions({{"hosts/h1", {"1", 2}}}));
  EXPECT_EQ(MakeEventWatch(For("user/alice"), events, nullptr)
                ->resume->at("hosts/h1")
                .sequence,
            2);
  events.set_from_oldest(true);
  EXPECT_THAT(MakeEventWatch(For("user/alice"), events, nullptr).status(),
              HasReason(reason::kInvalidRequest));
}

}  // namespace
}  // namespace innkeeper
