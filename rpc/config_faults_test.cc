#include "rpc/config_faults.h"

#include "absl/status/status.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ConfigFaultsTest, NoFaultIsNoError) {
  EXPECT_THAT(ConfigFaults().ToStatus("/etc/x.conf"), IsOk());
}

TEST(ConfigFaultsTest, EveryFaultIsInTheMessageAndInTheDetails) {
  ConfigFaults faults;
  faults.Add("max_guests", "must be 1 to 10,000");
  faults.CheckPath("key_file", "", true);
  faults.CheckPath("ca_file", "relative", false);

  const absl::Status status = faults.ToStatus("/etc/x.conf");

  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("/etc/x.conf"),
                             HasSubstr("max_guests: must be 1 to 10,000"),
                             HasSubstr("key_file: is required"),
                             HasSubstr("ca_file: must be an absolute path"))));
  EXPECT_THAT(status, HasReason(reason::kConfigInvalid));
  EXPECT_EQ(DetailsOf(status).fields.size(), 3u);
}

TEST(ConfigFaultsTest, PathThatNobodyNeedsMayBeAbsent) {
  ConfigFaults faults;
  faults.CheckPath("deny_list_file", "", false);
  faults.CheckPath("ca_file", "/etc/ca.pem", true);
  EXPECT_THAT(faults.ToStatus("f"), IsOk());
}

TEST(ConfigFaultsTest, ErrorOfAPartKeepsItsFields) {
  ConfigFaults faults;
  faults.CheckStatus(absl::OkStatus());
  faults.CheckStatus(
      Error(absl::StatusCode::kInvalidArgument, reason::kConfigInvalid, "two")
          .Field("bindings[0].role", "is no role")
          .Field("bindings[1].scope", "is no scope"));
  faults.CheckStatus(absl::InternalError("no field"));

  const absl::Status status = faults.ToStatus("f");

  EXPECT_EQ(DetailsOf(status).fields.size(), 3u);
  EXPECT_EQ(status.message(),
            "f has faults: bindings[0].role: is no role; "
            "bindings[1].scope: is no scope; no field");
}

}  // namespace
}  // namespace innkeeper
