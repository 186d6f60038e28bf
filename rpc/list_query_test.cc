#include "rpc/list_query.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "auth/testing/permit_for_test.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GuestRow final : public ListRow {
 public:
  GuestRow(std::string name, std::string owner, int64_t vcpus, size_t padding)
      : name_(std::move(name)), owner_(owner), vcpus_(vcpus) {
    attributes_.name = name_;
    attributes_.owner = std::move(owner);
    v1::Guest guest;
    guest.set_name(name_);
    guest.set_owner(owner_);
    guest.mutable_spec()->set_vcpu_count(static_cast<int>(vcpus));
    guest.set_state_message(std::string(padding, 'x'));
    framed_ = FrameListElement(guest);
  }
  absl::string_view name() const override { return name_; }
  const ResourceAttributes& attributes() const override { return attributes_; }
  absl::string_view framed(int) const override { return framed_; }
  FieldValue Get(absl::string_view path) const override {
    if (path == "name") return absl::string_view(name_);
    if (path == "owner") return absl::string_view(owner_);
    return vcpus_;
  }

 private:
  const std::string name_;
  const std::string owner_;
  const int64_t vcpus_;
  ResourceAttributes attributes_;
  std::string framed_;
};

std::string Name(int i) { return absl::StrFormat("guests/g%05d", i); }

// Guests of alice (even) and bob (odd), with 1 to 5 processors.
ListSnapshot Guests(int count, size_t padding = 0) {
  std::vector<std::shared_ptr<const ListRow>> rows;
  rows.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    rows.push_back(std::make_shared<GuestRow>(
        Name(i), i % 2 == 0 ? "user/alice" : "user/bob", 1 + i * 7 % 5,
        padding));
  }
  return ListSnapshot(std::move(rows));
}

class ListQueryTest : public testing::Test {
 protected:
  absl::StatusOr<v1::ListGuestsResponse> Run(
      const v1::ListGuestsRequest& request, const ListSnapshot& snapshot,
      const Permit& permit, std::vector<std::string> unreachable = {}) {
    ListArguments arguments;
    arguments.request = &request;
    arguments.method = "innkeeper.v1.Guests/ListGuests";
    arguments.unreachable = std::move(unreachable);
    arguments.unreachable_field = 3;
    absl::StatusOr<grpc::ByteBuffer> bytes =
        query_.Run(arguments, permit, snapshot);
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
  // Every page of `request`, as names.
  std::vector<std::string> All(v1::ListGuestsRequest request,
                               const ListSnapshot& snapshot,
                               const Permit& permit) {
    std::vector<std::string> names;
    for (int page = 0; page < 1000; ++page) {
      const auto response = Run(request, snapshot, permit);
      EXPECT_THAT(response, IsOk());
      if (!response.ok()) break;
      for (const v1::Guest& guest : response->guests()) {
        names.push_back(guest.name());
      }
      if (response->next_page_token().empty()) break;
      request.set_page_token(response->next_page_token());
    }
    return names;
  }

  const PageTokenSealer sealer_{"0123456789abcdef0123456789abcdef"};
  const ListQuery query_{
      FieldSchema({{"name", FieldType::kString, {}},
                   {"owner", FieldType::kString, {}},
                   {"spec.vcpu_count", FieldType::kInt, {}}}),
      &sealer_};
  const Permit admin_ = PermitForTest("user/root", "guests.list", "");
  const Permit alice_ = PermitForTest("user/alice", "guests.list", "", "own");
};

TEST_F(ListQueryTest, EverythingComesInOnePage) {
  const ListSnapshot snapshot = Guests(100);
  const auto response =
      Run(v1::ListGuestsRequest(), snapshot, admin_, {"hosts/h9"});
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->guests(), SizeIs(100));
  EXPECT_THAT(response->next_page_token(), IsEmpty());
  EXPECT_THAT(response->unreachable(), ElementsAre("hosts/h9"));
}

TEST_F(ListQueryTest, EmptyListIsAnEmptyResponse) {
  const auto response = Run(v1::ListGuestsRequest(), ListSnapshot({}), admin_);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->ByteSizeLong(), 0u);
}

TEST_F(ListQueryTest, OwnerSeesItsOwnRowsOnly) {
  for (const int page_size : {0, 1, 3, 7}) {
    v1::ListGuestsRequest request;
    request.set_page_size(page_size);
    const std::vector<std::string> names = All(request, Guests(31), alice_);
    EXPECT_THAT(names, SizeIs(16));
    for (const std::string& name : names) {
      EXPECT_EQ((name.back() - '0') % 2, 0) << name;
    }
  }
}

TEST_F(ListQueryTest, PagesHoldEachRowOnceInAnyOrder) {
  const ListSnapshot snapshot = Guests(97);
  for (const char* order :
       {"", "name desc", "spec.vcpu_count", "spec.vcpu_count desc, name desc",
        "owner, spec.vcpu_count desc"}) {
    v1::ListGuestsRequest request;
    request.set_order_by(order);
    const std::vector<std::string> whole = All(request, snapshot, admin_);
    EXPECT_THAT(std::set<std::string>(whole.begin(), whole.end()), SizeIs(97));
    for (const int page_size : {1, 10, 96, 97}) {
      request.set_page_size(page_size);
      EXPECT_EQ(All(request, snapshot, admin_), whole) << order;
    }
  }
}

TEST_F(ListQueryTest, TokenHoldsItsPlaceWhenRowsComeAndGo) {
  v1::ListGuestsRequest request;
  request.set_page_size(10);
  const auto first = Run(request, Guests(20), admin_);
  ASSERT_THAT(first, IsOk());
  // Row 9, the last of the page, is gone, and 5 more were added at the end.
  std::vector<std::shared_ptr<const ListRow>> rows = Guests(25).rows();
  rows.erase(rows.begin() + 9);
  request.set_page_token(first->next_page_token());
  const auto second = Run(request, ListSnapshot(rows), admin_);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->guests(0).name(), Name(10));
}

TEST_F(ListQueryTest, PageEndsBeforeItIsTooLarge) {
  const ListSnapshot snapshot = Guests(10, 1 << 20);
  const auto response = Run(v1::ListGuestsRequest(), snapshot, admin_);
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->guests(), SizeIs(2));
  EXPECT_THAT(All(v1::ListGuestsRequest(), snapshot, admin_), SizeIs(10));
}

TEST_F(ListQueryTest, PageSizeIsCutToTheMost) {
  v1::ListGuestsRequest request;
  request.set_page_size(1000000);
  const auto response = Run(request, Guests(1500), admin_);
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->guests(), SizeIs(1000));
}

TEST_F(ListQueryTest, FilterHolds) {
  v1::ListGuestsRequest request;
  request.set_filter("owner = user/bob AND spec.vcpu_count > 3");
  for (const std::string& name : All(request, Guests(50), admin_)) {
    EXPECT_EQ((name.back() - '0') % 2, 1);
  }
  EXPECT_THAT(All(request, Guests(50), alice_), IsEmpty());
  request.set_filter("color = red");
  EXPECT_THAT(Run(request, Guests(1), admin_),
              HasReason(reason::kInvalidFilter));
}

TEST_F(ListQueryTest, TokenOfAnotherCallerOrOtherArgumentsIsRefused) {
  v1::ListGuestsRequest request;
  request.set_page_size(2);
  const auto first = Run(request, Guests(20), admin_);
  ASSERT_THAT(first, IsOk());
  request.set_page_token(first->next_page_token());
  EXPECT_THAT(Run(request, Guests(20), alice_),
              HasReason(reason::kInvalidPageToken));
  request.set_order_by("owner");
  EXPECT_THAT(Run(request, Guests(20), admin_),
              HasReason(reason::kInvalidPageToken));
}

}  // namespace
}  // namespace innkeeper
