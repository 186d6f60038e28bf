#include "auth/audit_log.h"

#include <unistd.h>

#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "auth/audit_line.h"
#include "base/file.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() {
    const testing::TestInfo* info =
        testing::UnitTest::GetInstance()->current_test_info();
    options_.path = absl::StrCat(testing::TempDir(), "/audit.", info->name(),
                                 ".", getpid());
    options_.clock = &clock_;
  }

  static AuditRecord Record(int n) {
    AuditRecord record;
    record.caller = "user/alice";
    record.method = "/innkeeper.v1.Guests/StartGuest";
    record.permission = "guests.start";
    record.resource = absl::StrCat("guests/g", n);
    record.allowed = true;
    record.code = "OK";
    return record;
  }

  void Write(int records) {
    auto log = AuditLog::Open(options_);
    ASSERT_THAT(log, IsOk());
    for (int i = 0; i < records; ++i) {
      ASSERT_THAT((*log)->Append(Record(i)), IsOk());
    }
    ASSERT_THAT((*log)->Sync(), IsOk());
  }

  std::string Content() { return *ReadFile(options_.path, 1 << 20); }
  void Replace(const std::string& content) {
    ASSERT_THAT(WriteFileAtomically(options_.path, content, 0600), IsOk());
  }
  std::vector<std::string> Lines() {
    return absl::StrSplit(Content(), '\n', absl::SkipEmpty());
  }
  void ReplaceLines(const std::vector<std::string>& lines) {
    Replace(absl::StrCat(absl::StrJoin(lines, "\n"), "\n"));
  }

  FakeClock clock_;
  AuditLogOptions options_;
};

TEST_F(AuditLogTest, AnUntouchedLogVerifiesToItsHead) {
  auto log = AuditLog::Open(options_);
  ASSERT_THAT(log, IsOk());
  for (int i = 0; i < 5; ++i) ASSERT_THAT((*log)->Append(Record(i)), IsOk());
  const auto head = VerifyAuditLog(options_.path);
  ASSERT_THAT(head, IsOk());
  EXPECT_EQ(head->sequence, 5);
  EXPECT_EQ(head->hash, (*log)->head().hash);
}

TEST_F(AuditLogTest, ARestartContinuesTheChain) {
  Write(3);
  Write(2);
  EXPECT_EQ(VerifyAuditLog(options_.path)->sequence, 5);
}

TEST_F(AuditLogTest, AnyChangedByteShows) {
  Write(3);
  const std::string good = Content();
  for (size_t i = 0; i < good.size(); i += 7) {
    std::string bad = good;
    bad[i] = bad[i] == 'x' ? 'y' : 'x';
    Replace(bad);
    EXPECT_THAT(VerifyAuditLog(options_.path), StatusIs(StatusCode::kDataLoss))
        << i;
  }
}

TEST_F(AuditLogTest, RemovedSwappedAndRepeatedLinesShow) {
  Write(4);
  const std::vector<std::string> l = Lines();
  ASSERT_EQ(l.size(), 4);
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{l[1], l[2], l[3]},
                                             {l[0], l[2], l[3]},
                                             {l[0], l[1], l[3]},
                                             {l[0], l[2], l[1], l[3]},
                                             {l[0], l[0], l[1], l[2]}}) {
    ReplaceLines(bad);
    EXPECT_THAT(VerifyAuditLog(options_.path),
                StatusIs(StatusCode::kDataLoss, HasSubstr("line")));
  }
}

TEST_F(AuditLogTest, ARewrittenLineShowsEvenWithAFreshHash) {
  Write(3);
  std::vector<std::string> lines = Lines();
  std::string body = lines[1].substr(0, lines[1].size() - 75) + "}";
  const size_t at = body.find("alice");
  ASSERT_NE(at, std::string::npos);
  body.replace(at, 5, "mally");
  lines[1] = SealAuditLine(body);
  ASSERT_THAT(ParseAuditLine(lines[1]), IsOk());
  ReplaceLines(lines);
  EXPECT_THAT(VerifyAuditLog(options_.path),
              StatusIs(StatusCode::kDataLoss, HasSubstr("line 3")));
}

TEST_F(AuditLogTest, ATailThatWasCutOffShowsOnlyAgainstTheHead) {
  Write(3);
  const std::string head = VerifyAuditLog(options_.path)->hash;
  std::vector<std::string> lines = Lines();
  lines.pop_back();
  ReplaceLines(lines);
  const auto cut = VerifyAuditLog(options_.path);
  ASSERT_THAT(cut, IsOk());
  EXPECT_NE(cut->hash, head);
}

TEST_F(AuditLogTest, TheHalfLineOfACrashIsDropped) {
  Write(2);
  Replace(Content() + "{\"time\":\"20");
  Write(1);
  EXPECT_EQ(VerifyAuditLog(options_.path)->sequence, 3);
}

TEST_F(AuditLogTest, ALogWhoseEndIsNoRecordIsNotContinued) {
  Write(2);
  Replace(Content() + "forged\n");
  EXPECT_THAT(AuditLog::Open(options_), StatusIs(StatusCode::kDataLoss));
}

TEST_F(AuditLogTest, OneProcessAtATime) {
  const auto first = AuditLog::Open(options_);
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(AuditLog::Open(options_),
              StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(AuditLogTest, RotationBoundsTheDiskAndKeepsTheChain) {
  options_.max_bytes = 2000;
  options_.max_files = 3;
  Write(40);
  EXPECT_EQ(VerifyAuditLog(options_.path)->sequence, 40);
  EXPECT_NE(access((options_.path + ".4").c_str(), F_OK), 0);
  for (const std::string suffix : {"", ".1", ".2", ".3"}) {
    const auto content = ReadFile(options_.path + suffix, 1 << 20);
    ASSERT_THAT(content, IsOk());
    EXPECT_LE(content->size(), 2000);
  }
  Write(1);
  EXPECT_EQ(VerifyAuditLog(options_.path)->sequence, 41);
}

TEST_F(AuditLogTest, ARotatedFileThatIsMissingShows) {
  options_.max_bytes = 2000;
  Write(20);
  ASSERT_EQ(unlink((options_.path + ".1").c_str()), 0);
  EXPECT_FALSE(VerifyAuditLog(options_.path).ok());
}

TEST_F(AuditLogTest, ARotationCutShortIsContinued) {
  Write(3);
  ASSERT_EQ(rename(options_.path.c_str(), (options_.path + ".1").c_str()), 0);
  Write(1);
  EXPECT_EQ(VerifyAuditLog(options_.path)->sequence, 4);
}

TEST_F(AuditLogTest, NoValueForgesALine) {
  auto log = AuditLog::Open(options_);
  AuditRecord record = Record(0);
  record.resource = "guests/x\"}\n{\"sequence\":9";
  record.reason = std::string(5000, '\xff');
  ASSERT_THAT((*log)->Append(record), IsOk());
  EXPECT_EQ(Lines().size(), 1);
  EXPECT_EQ(VerifyAuditLog(options_.path)->sequence, 1);
}

TEST_F(AuditLogTest, WithoutALogThereIsNothingToVerify) {
  EXPECT_THAT(VerifyAuditLog(options_.path), StatusIs(StatusCode::kNotFound));
}

}  // namespace
}  // namespace innkeeper
