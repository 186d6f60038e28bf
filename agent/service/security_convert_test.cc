#include "agent/service/security_convert.h"

#include "absl/time/time.h"
#include "agent/security/security_check.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

SecurityReport Report(SecurityVerdict verdict) {
  SecurityReport report;
  report.process.pid = 4711;
  report.process.unix_uid = 1880000002;
  report.time = absl::FromUnixMicros(1500000001000000);
  report.checks = {{"identity.uid", "uid", "1", "2", verdict, "/proc"}};
  return report;
}

TEST(SecurityConvertTest, EveryPartOfAReportIsTold) {
  const v1::GuestSecurity security =
      ToGuestSecurity(Report(SecurityVerdict::kDifferent), "guests/web",
                      "hosts/h1", "user/alice");

  EXPECT_EQ(security.guest(), "guests/web");
  EXPECT_EQ(security.host(), "hosts/h1");
  EXPECT_EQ(security.owner(), "user/alice");
  EXPECT_EQ(security.process().pid(), 4711);
  EXPECT_EQ(security.process().unix_uid(), 1880000002u);
  EXPECT_EQ(security.observe_time().seconds(), 1500000001);
  ASSERT_EQ(security.checks_size(), 1);
  EXPECT_EQ(security.checks(0).id(), "identity.uid");
  EXPECT_EQ(security.checks(0).what(), "uid");
  EXPECT_EQ(security.checks(0).asked(), "1");
  EXPECT_EQ(security.checks(0).actual(), "2");
  EXPECT_EQ(security.checks(0).source(), "/proc");
  EXPECT_EQ(security.checks(0).verdict(), v1::GuestSecurity::DIFFERENT);
}

TEST(SecurityConvertTest, OnlyWhatWasReadAndIsTheSameIsAsAsked) {
  const struct {
    SecurityVerdict verdict;
    v1::GuestSecurity::Verdict told;
    bool as_asked;
  } cases[] = {
      {SecurityVerdict::kSame, v1::GuestSecurity::SAME, true},
      {SecurityVerdict::kDifferent, v1::GuestSecurity::DIFFERENT, false},
      {SecurityVerdict::kUnknown, v1::GuestSecurity::UNKNOWN, false},
      {SecurityVerdict::kInformation, v1::GuestSecurity::INFORMATION, true}};
  for (const auto& one : cases) {
    const v1::GuestSecurity security =
        ToGuestSecurity(Report(one.verdict), "guests/web", "", "");
    EXPECT_EQ(security.checks(0).verdict(), one.told);
    EXPECT_EQ(security.as_asked(), one.as_asked) << one.told;
  }
}

}  // namespace
}  // namespace innkeeper
