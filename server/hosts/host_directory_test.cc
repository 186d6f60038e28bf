#include "server/hosts/host_directory.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/testing/fake_clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/memory_store.h"

namespace innkeeper {
namespace {

class HostDirectoryTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    absl::StatusOr<std::unique_ptr<HostDirectory>> opened =
        HostDirectory::Create(&store_, &clock_);
    ASSERT_THAT(opened, IsOk());
    directory_ = *std::move(opened);
  }
  absl::Status Invite(const std::string& id, const std::string& host) {
    return directory_->Invite(id, host, clock_.Now() + absl::Hours(1));
  }
  static EnrolledHost Host(const std::string& name) {
    EnrolledHost host;
    host.name = name;
    host.address = absl::StrCat(name, ":7440");
    host.fingerprint = "ab";
    host.certificate_chain = absl::StrCat("chain of ", name);
    return host;
  }

  MemoryStore store_;
  FakeClock clock_;
  std::unique_ptr<HostDirectory> directory_;
};

TEST_F(HostDirectoryTest, TokenThatNobodyGaveOutIsRefused) {
  const absl::Status refused = directory_->Enrol("t1", Host("h1")).status();

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(DetailsOf(refused).reason, reason::kEnrolmentTokenRefused);
}

TEST_F(HostDirectoryTest, TokenWorksOnce) {
  ASSERT_THAT(Invite("t1", "h1"), IsOk());
  ASSERT_THAT(directory_->Enrol("t1", Host("h1")), IsOk());
  ASSERT_THAT(directory_->Remove("h1"), IsOk());

  EXPECT_THAT(directory_->Enrol("t1", Host("h1")),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(HostDirectoryTest, TokenOfAnotherHostIsRefused) {
  ASSERT_THAT(Invite("t1", "h1"), IsOk());

  EXPECT_THAT(directory_->Enrol("t1", Host("h2")),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(directory_->Enrol("t1", Host("h1")), IsOk());
}

TEST_F(HostDirectoryTest, ExpiredTokenIsRefused) {
  ASSERT_THAT(Invite("t1", "h1"), IsOk());
  clock_.Advance(absl::Hours(1) + absl::Seconds(1));

  EXPECT_THAT(directory_->Enrol("t1", Host("h1")),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(HostDirectoryTest, OfManyRacingUsesOfOneTokenOneWins) {
  ASSERT_THAT(Invite("t1", "h1"), IsOk());
  std::vector<absl::Status> results(8);
  std::vector<std::thread> threads;
  threads.reserve(results.size());

  for (absl::Status& result : results) {
    threads.emplace_back(
        [&] { result = directory_->Enrol("t1", Host("h1")).status(); });
  }
  for (std::thread& thread : threads) thread.join();

  int won = 0;
  for (const absl::Status& result : results) won += result.ok() ? 1 : 0;
  EXPECT_EQ(won, 1);
}

TEST_F(HostDirectoryTest, HostThatIsThereIsNotEnrolledAgain) {
  ASSERT_THAT(Invite("t1", "h1"), IsOk());
  ASSERT_THAT(Invite("t2", "h1"), IsOk());
  ASSERT_THAT(directory_->Enrol("t1", Host("h1")), IsOk());

  EXPECT_THAT(directory_->Enrol("t2", Host("h1")),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(HostDirectoryTest, HostsAndCordonsSurviveARestart) {
  ASSERT_THAT(Invite("t1", "h1"), IsOk());
  ASSERT_THAT(directory_->Enrol("t1", Host("h1")), IsOk());
  ASSERT_THAT(directory_->SetCordon("h1", true), IsOk());

  Open();

  ASSERT_TRUE(directory_->Find("h1").has_value());
  EXPECT_EQ(directory_->Find("h1")->address, "h1:7440");
  EXPECT_EQ(directory_->Find("h1")->token_id, "t1");
  EXPECT_EQ(directory_->Find("h1")->certificate_chain, "chain of h1");
  EXPECT_TRUE(directory_->Find("h1")->cordoned);
}

TEST_F(HostDirectoryTest, LaterHostOfANameHasAHigherNumber) {
  ASSERT_THAT(Invite("t1", "h1"), IsOk());
  const absl::StatusOr<EnrolledHost> first =
      directory_->Enrol("t1", Host("h1"));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(directory_->Remove("h1"), IsOk());
  ASSERT_THAT(Invite("t2", "h1"), IsOk());

  const absl::StatusOr<EnrolledHost> second =
      directory_->Enrol("t2", Host("h1"));

  ASSERT_THAT(second, IsOk());
  EXPECT_GT(second->enrolment_number, first->enrolment_number);
}

TEST_F(HostDirectoryTest, UnknownHostCannotBeCordonedOrRemoved) {
  EXPECT_THAT(directory_->SetCordon("h9", true),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(directory_->Remove("h9"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace innkeeper
