#include "rpc/config_file.h"

#include "absl/status/status.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

TEST(ConfigFileTest, FieldsAreReadAndCommentsAreNot) {
  google::rpc::ErrorInfo config;

  EXPECT_THAT(ParseConfig("a.conf", "# who\nreason: \"x\"\n", &config), IsOk());
  EXPECT_EQ(config.reason(), "x");
}

TEST(ConfigFileTest, UnknownFieldIsNamedWithItsPlace) {
  google::rpc::ErrorInfo config;

  EXPECT_THAT(
      ParseConfig("a.conf", "reason: \"x\"\nraeson: \"y\"\n", &config),
      StatusIs(absl::StatusCode::kInvalidArgument,
               testing::AllOf(HasSubstr("a.conf:2:"), HasSubstr("raeson"))));
}

TEST(ConfigFileTest, FieldGivenTwiceIsRefused) {
  google::rpc::ErrorInfo config;

  EXPECT_THAT(
      ParseConfig("a.conf", "reason: \"x\"\nreason: \"y\"\n", &config),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a.conf:2:")));
}

TEST(ConfigFileTest, MissingFileIsNotFound) {
  google::rpc::ErrorInfo config;

  EXPECT_THAT(ReadConfigFile("/nonexistent/a.conf", &config),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace innkeeper
