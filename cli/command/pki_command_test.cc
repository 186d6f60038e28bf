#include "cli/command/pki_command.h"

#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/uuid.h"
#include "cli/testing/inn_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::HasSubstr;

class PkiCommandTest : public testing::Test {
 protected:
  PkiCommandTest()
      : directory_(absl::StrCat(testing::TempDir(), "/", MakeUuid())) {}

  const std::string directory_;
  InnRun inn_;
};

TEST_F(PkiCommandTest, AuthorityIssuesCertificatesThatShowWhoTheyAreFor) {
  const std::string ca = directory_ + "-ca";
  ASSERT_EQ(inn_.Run({"pki", "init", ca, "--trust-domain", "lab.test"}), 0)
      << inn_.err;
  ASSERT_EQ(inn_.Run({"pki", "issue", ca, "user/alice", "--out", directory_}),
            0)
      << inn_.err;
  EXPECT_THAT(inn_.out, HasSubstr("user/alice is certified until "));
  struct stat info;
  ASSERT_EQ(stat((directory_ + ".key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  ASSERT_EQ(inn_.Run({"pki", "show", directory_ + ".pem", "--pki", ca}), 0)
      << inn_.err;
  EXPECT_THAT(inn_.out, HasSubstr("spiffe://lab.test/user/alice"));
  EXPECT_EQ(inn_.Run({"pki", "inspect", directory_ + ".pem", "--trust-domain",
                      "lab.test"}),
            0)
      << inn_.err;
}

TEST_F(PkiCommandTest, SecondInitChangesNothing) {
  ASSERT_EQ(inn_.Run({"pki", "init", directory_, "--trust-domain", "lab.test"}),
            0)
      << inn_.err;
  EXPECT_EQ(inn_.Run({"pki", "init", directory_, "--trust-domain", "x.test"}),
            7);
}

TEST_F(PkiCommandTest, AuthorityThatIsNotThereIsNotFound) {
  EXPECT_EQ(inn_.Run({"pki", "issue", directory_, "user/alice"}), 4);
}

TEST_F(PkiCommandTest, PrincipalThatIsNoneIsUsage) {
  EXPECT_EQ(inn_.Run({"pki", "issue", directory_, "alice"}), 2);
}

}  // namespace
}  // namespace innkeeper
