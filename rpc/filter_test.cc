#include "rpc/filter.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/order_by.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

const FieldSchema& Schema() {
  static const auto* const kSchema =
      new FieldSchema({{"name", FieldType::kString, {}},
                       {"owner", FieldType::kString, {}},
                       {"state", FieldType::kEnum, {"RUNNING", "STOPPED"}},
                       {"stale", FieldType::kBool, {}},
                       {"labels.*", FieldType::kString, {}},
                       {"spec.vcpu_count", FieldType::kInt, {}},
                       {"create_time", FieldType::kTime, {}}});
  return *kSchema;
}

class Row final : public FieldSource {
 public:
  explicit Row(std::map<std::string, FieldValue> values)
      : values_(std::move(values)) {}
  FieldValue Get(absl::string_view path) const override {
    const auto it = values_.find(std::string(path));
    return it == values_.end() ? FieldValue() : it->second;
  }

 private:
  const std::map<std::string, FieldValue> values_;
};

Row Web() {
  return Row({{"name", absl::string_view("guests/web-1")},
              {"owner", absl::string_view("user/alice")},
              {"state", absl::string_view("RUNNING")},
              {"stale", false},
              {"labels.env", absl::string_view("prod")},
              {"labels.app.kubernetes", absl::string_view("x y")},
              {"spec.vcpu_count", int64_t{4}},
              {"create_time", absl::FromUnixSeconds(1700000000)}});
}

class FilterMatchTest
    : public testing::TestWithParam<std::pair<const char*, bool>> {};

TEST_P(FilterMatchTest, DecidesAsWritten) {
  const auto filter = Filter::Parse(GetParam().first, Schema());
  ASSERT_THAT(filter, IsOk()) << GetParam().first;
  EXPECT_EQ(filter->Matches(Web()), GetParam().second) << GetParam().first;
}

INSTANTIATE_TEST_SUITE_P(
    All, FilterMatchTest,
    testing::ValuesIn(std::vector<std::pair<const char*, bool>>{
        {"", true},
        {"  ", true},
        {"state = RUNNING", true},
        {"state=STOPPED", false},
        {"state != STOPPED", true},
        {"state:*", true},
        {"name = guests/web-1", true},
        {"name = \"guests/web-1\"", true},
        {"name = 'guests/*'", true},
        {"name = *web*", true},
        {"name = *-1", true},
        {"name = *-2", false},
        {"name = g*b*1", true},
        {"name = g*b*b*1", false},
        {"name = guests/web-1*", true},
        {"name = *guests/web-1guests/web-1*", false},
        {"name : web", true},
        {"name : WEB", false},
        {"name != *web*", false},
        {"labels.env = prod", true},
        {"labels.env = test", false},
        {"labels.none = x", false},
        {"labels.none != x", true},
        {"labels:env", true},
        {"labels:none", false},
        {"labels:app.kubernetes", true},
        {"labels.env:*", true},
        {"labels.app.kubernetes = \"x y\"", true},
        {"spec.vcpu_count > 3", true},
        {"spec.vcpu_count >= 4", true},
        {"spec.vcpu_count < 4", false},
        {"spec.vcpu_count <= 4", true},
        {"spec.vcpu_count = 4", true},
        {"spec.vcpu_count != 4", false},
        {"spec.vcpu_count : 4", true},
        {"stale = false", true},
        {"stale = true", false},
        {"NOT stale = true", true},
        {"create_time < 2030-01-02T03:04:05Z", true},
        {"create_time > \"2030-01-02T03:04:05+01:00\"", false},
        {"state = RUNNING AND stale = true", false},
        {"state = STOPPED OR stale = false", true},
        // OR binds closer than AND.
        {"state = STOPPED AND stale = true OR stale = false", false},
        {"(state = STOPPED AND stale = true) OR stale = false", true},
        {"NOT (state = STOPPED OR stale = true)", true},
        {"NOT NOT state = RUNNING", true},
        {"-state = RUNNING", false},
        {"((state = RUNNING))", true},
    }));

class FilterRefusalTest
    : public testing::TestWithParam<std::pair<std::string, const char*>> {};

TEST_P(FilterRefusalTest, IsRefusedWithTheReason) {
  const auto filter = Filter::Parse(GetParam().first, Schema());
  EXPECT_THAT(filter, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr(GetParam().second)));
  EXPECT_THAT(filter, HasReason(reason::kInvalidFilter));
}

std::string Repeat(const char* text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) absl::StrAppend(&all, text);
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    All, FilterRefusalTest,
    testing::ValuesIn(std::vector<std::pair<std::string, const char*>>{
        {"color = red", "unknown field 'color'; known are name, owner"},
        {"labels = x", "labels:KEY"},
        {"labels. = x", "unknown field"},
        {"name.first = x", "unknown field"},
        {"state = running", "one of RUNNING, STOPPED"},
        {"state = R*", "one of RUNNING, STOPPED"},
        {"state > RUNNING", "no order"},
        {"name > a", "no order"},
        {"stale = yes", "true or false"},
        {"stale < true", "true or false"},
        {"spec.vcpu_count = four", "whole number"},
        {"spec.vcpu_count = 99999999999999999999", "whole number"},
        {"create_time > yesterday", "a time such as"},
        {"state", "needs one of = !="},
        {"state =", "needs a value"},
        {"= RUNNING", "needs the name of a field"},
        {"(state = RUNNING", "lacks a ')'"},
        {"state = RUNNING)", "without its '('"},
        {"state = RUNNING stale = true", "not joined by AND or OR"},
        {"state = RUNNING AND", "needs the name of a field"},
        {"name = \"web", "string without its end"},
        {"name = \"web\\", "string without its end"},
        {std::string(4097, ' '), "longer than 4096"},
        {Repeat("(", 40) + "state = RUNNING" + Repeat(")", 40), "nested"},
        {"stale = true" + Repeat(" OR stale = true", 100), "more than 100"},
    }));

TEST(FilterTest, ErrorNamesPositionFieldAndKnownFields) {
  const absl::Status status =
      Filter::Parse("state = RUNNING AND color = red", Schema()).status();
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.metadata.at("position"), "21");
  EXPECT_EQ(details.metadata.at("field"), "color");
  EXPECT_EQ(details.metadata.at("known_fields"), Schema().Known());
  ASSERT_EQ(details.fields.size(), 1u);
  EXPECT_EQ(details.fields[0].field, "filter");
}

TEST(OrderByTest, SortsByEachKeyInTurn) {
  const auto order = OrderBy::Parse("state desc, spec.vcpu_count", Schema());
  ASSERT_THAT(order, IsOk());
  const Row a({{"state", absl::string_view("RUNNING")},
               {"spec.vcpu_count", int64_t{1}}});
  const Row b({{"state", absl::string_view("STOPPED")},
               {"spec.vcpu_count", int64_t{2}}});
  const Row c({{"state", absl::string_view("STOPPED")}});
  const auto compare = [&](const Row& x, const Row& y) {
    return order->Compare(order->ValuesOf(x), order->ValuesOf(y));
  };
  EXPECT_LT(compare(b, a), 0);
  EXPECT_LT(compare(c, b), 0);  // Without a value first.
  EXPECT_EQ(compare(a, a), 0);
}

TEST(OrderByTest, NameAloneIsTheDefault) {
  EXPECT_TRUE(OrderBy::Parse("", Schema())->is_default());
  EXPECT_TRUE(OrderBy::Parse(" name ", Schema())->is_default());
  EXPECT_TRUE(OrderBy::Parse("name asc", Schema())->is_default());
  EXPECT_FALSE(OrderBy::Parse("name desc", Schema())->is_default());
}

TEST(OrderByTest, FaultsAreRefused) {
  for (const char* text : {"color", "name,", ",", "name down", "name desc x",
                           "state, state", "labels"}) {
    EXPECT_THAT(OrderBy::Parse(text, Schema()),
                HasReason(reason::kInvalidOrderBy))
        << text;
  }
  EXPECT_THAT(OrderBy::Parse("labels.a,labels.b,labels.c,labels.d,labels.e,"
                             "labels.f,labels.g,labels.h,labels.i",
                             Schema()),
              HasReason(reason::kInvalidOrderBy));
}

}  // namespace
}  // namespace innkeeper
