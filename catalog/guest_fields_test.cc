#include "catalog/guest_fields.h"

#include <variant>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

TEST(GuestFieldsTest, ReadsEachKindOfField) {
  v1::Guest guest;
  guest.set_name("guests/web");
  guest.set_state(v1::Guest::RUNNING);
  guest.set_stale(true);
  guest.mutable_spec()->set_vcpu_count(3);
  guest.mutable_create_time()->set_seconds(7);
  (*guest.mutable_labels())["tier"] = "front";
  const GuestFields fields(guest);

  EXPECT_EQ(fields.Get("name"), FieldValue(absl::string_view("guests/web")));
  EXPECT_EQ(fields.Get("state"), FieldValue(absl::string_view("RUNNING")));
  EXPECT_EQ(fields.Get("stale"), FieldValue(true));
  EXPECT_EQ(fields.Get("spec.vcpu_count"), FieldValue(int64_t{3}));
  EXPECT_EQ(fields.Get("create_time"), FieldValue(absl::FromUnixSeconds(7)));
  EXPECT_EQ(fields.Get("labels.tier"), FieldValue(absl::string_view("front")));
}

TEST(GuestFieldsTest, AbsentTimesAndLabelsHaveNoValue) {
  const v1::Guest guest;
  const GuestFields fields(guest);

  EXPECT_TRUE(std::holds_alternative<std::monostate>(fields.Get("start_time")));
  EXPECT_TRUE(
      std::holds_alternative<std::monostate>(fields.Get("labels.tier")));
}

TEST(EventFieldsTest, ReadsWhoDidWhatToWhom) {
  v1::Event event;
  event.set_host("hosts/h1");
  event.set_guest("guests/web");
  event.set_owner("user/alice");
  event.set_caller("user/bob");
  const EventFields fields(event);

  EXPECT_EQ(fields.Get("host"), FieldValue(absl::string_view("hosts/h1")));
  EXPECT_EQ(fields.Get("guest"), FieldValue(absl::string_view("guests/web")));
  EXPECT_EQ(fields.Get("owner"), FieldValue(absl::string_view("user/alice")));
  EXPECT_EQ(fields.Get("caller"), FieldValue(absl::string_view("user/bob")));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(fields.Get("message")));
}

}  // namespace
}  // namespace innkeeper
