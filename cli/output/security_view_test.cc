#include "cli/output/security_view.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "innkeeper/v1/guests.pb.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Security = v1::GuestSecurity;

void Add(Security* security, const std::string& id, Security::Verdict verdict) {
  Security::Check* const check = security->add_checks();
  check->set_id(id);
  check->set_what("what " + id);
  check->set_asked("1");
  check->set_actual("2");
  check->set_verdict(verdict);
  check->set_source("/proc/" + id);
}

Security Web() {
  Security security;
  security.set_guest("guests/web");
  security.set_host("hosts/h1");
  security.mutable_process()->set_pid(4711);
  Add(&security, "a.same", Security::SAME);
  Add(&security, "b.told", Security::INFORMATION);
  Add(&security, "c.unknown", Security::UNKNOWN);
  Add(&security, "d.differs", Security::DIFFERENT);
  return security;
}

TEST(SecurityViewTest, WhatDiffersComesFirstWithAMark) {
  const std::string text = SecurityText(Web(), /*wide=*/false, false);

  EXPECT_THAT(text, HasSubstr("Confined:  1 differs, 1 unknown"));
  EXPECT_LT(text.find("! differs"), text.find("? unknown"));
  EXPECT_LT(text.find("? unknown"), text.find("a.same"));
  EXPECT_LT(text.find("a.same"), text.find("b.told"));
  EXPECT_THAT(text, Not(HasSubstr("/proc/")));
}

TEST(SecurityViewTest, WideTextSaysWhatWasLookedAtAndWhere) {
  const std::string text = SecurityText(Web(), /*wide=*/true, false);

  EXPECT_THAT(text, HasSubstr("what d.differs"));
  EXPECT_THAT(text, HasSubstr("/proc/d.differs"));
}

TEST(SecurityViewTest, OnlyWhatIsTheSameOrToldIsAsAsked) {
  Security security;
  Add(&security, "a", Security::SAME);
  Add(&security, "b", Security::INFORMATION);
  EXPECT_EQ(SecuritySummary(security), "as asked");

  // A verdict of a later version is none that this one knows to be good.
  Add(&security, "c", static_cast<Security::Verdict>(17));
  EXPECT_EQ(SecuritySummary(security), "1 unknown");
  Add(&security, "d", Security::DIFFERENT);
  Add(&security, "e", Security::DIFFERENT);
  EXPECT_EQ(SecuritySummary(security), "2 differ, 1 unknown");
}

TEST(SecurityViewTest, WhatAGuestPutsIntoItsNameMovesNoCursor) {
  Security security = Web();
  security.mutable_checks(3)->set_actual("\x1b[2J");

  EXPECT_THAT(SecurityText(security, true, false), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace innkeeper
